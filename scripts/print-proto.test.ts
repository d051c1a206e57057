import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { file_grpc_health_v1_health } from "@bank/proto";
import type { DescFile } from "@bufbuild/protobuf";
import { clone, fromBinary } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_struct,
  file_google_protobuf_type,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runBuf } from "./generated-code.ts";
import { printProtoFile } from "./print-proto.mjs";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bank-print-proto-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** The descriptor that the compiler makes of a text. */
function compile(path: string, text: string): FileDescriptorProto {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  writeFileSync(join(folder, "buf.yaml"), "version: v2\n");
  runBuf(["build", "--as-file-descriptor-set", "--exclude-source-info", "--path", path, "-o", "set.binpb"], folder);
  const set = fromBinary(FileDescriptorSetSchema, new Uint8Array(readFileSync(join(folder, "set.binpb"))));
  const file = set.file.find((candidate) => candidate.name === path);
  if (file === undefined) throw new Error(`buf built no ${path}`);
  return file;
}

/** Without the JSON names that a compiler derives from the names, which generated code leaves out. */
function normalized(file: FileDescriptorProto): FileDescriptorProto {
  const copy = clone(FileDescriptorProtoSchema, file);
  if (copy.syntax === "proto2") copy.syntax = "";
  const drop = (fields: FileDescriptorProto["extension"]) => {
    for (const field of fields) field.jsonName = "";
  };
  const walk = (messages: FileDescriptorProto["messageType"]): void => {
    for (const message of messages) {
      drop(message.field);
      drop(message.extension);
      walk(message.nestedType);
    }
  };
  drop(copy.extension);
  walk(copy.messageType);
  return copy;
}

describe("printProtoFile", () => {
  const files: [string, DescFile][] = [
    ["proto2 with extensions, custom options and reserved ranges", file_buf_validate_validate],
    ["proto3 with oneofs and maps", file_google_protobuf_struct],
    ["proto3 with enums and defaults of options", file_google_protobuf_type],
  ];
  it.each(files)("prints text that compiles back to an equal descriptor: %s", (_, file) => {
    const compiled = compile(file.proto.name.replace("google/protobuf/", "copied/"), printProtoFile(file));
    compiled.name = file.proto.name;
    expect(normalized(compiled)).toEqual(normalized(file.proto));
  });

  it("refuses what it does not cover instead of leaving it out", () => {
    expect(() => printProtoFile(file_grpc_health_v1_health)).toThrow("cannot print services");
  });
});
