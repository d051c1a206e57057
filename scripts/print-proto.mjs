// Prints a file descriptor as .proto text that compiles back to an equal descriptor.
//
// It exists because buf/validate/validate.proto is in no npm package as text, while its descriptor is part of
// @bufbuild/protovalidate. It covers proto2 and proto3 files of messages, enums and extensions; whatever it does not know
// (services, groups, editions) it refuses by throwing, since a silently thinner file would weaken every rule built on it.
import { createRegistry, getExtension } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import {
  EnumOptionsSchema,
  EnumValueOptionsSchema,
  FieldOptionsSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofOptionsSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/**
 * @typedef {import("@bufbuild/protobuf").DescFile} DescFile
 * @typedef {import("@bufbuild/protobuf").DescMessage} DescMessage
 * @typedef {import("@bufbuild/protobuf").DescField} DescField
 * @typedef {import("@bufbuild/protobuf").DescEnum} DescEnum
 * @typedef {import("@bufbuild/protobuf").Message} Message
 * @typedef {import("@bufbuild/protobuf").Registry} Registry
 * @typedef {import("@bufbuild/protobuf/wkt").DescriptorProto} DescriptorProto
 * @typedef {import("@bufbuild/protobuf/wkt").EnumDescriptorProto} EnumDescriptorProto
 * @typedef {import("@bufbuild/protobuf/wkt").FieldDescriptorProto} FieldDescriptorProto
 * @typedef {{ syntax: "proto2" | "proto3", registry: Registry }} Context
 */

/** Field numbers end here; a range that reaches it is written `to max`. */
const FIELD_NUMBER_LIMIT = 536_870_912;
const ENUM_NUMBER_MAX = 2_147_483_647;

/** @type {Partial<Record<Type, string>>} */
const SCALAR_NAMES = {
  [Type.DOUBLE]: "double",
  [Type.FLOAT]: "float",
  [Type.INT64]: "int64",
  [Type.UINT64]: "uint64",
  [Type.INT32]: "int32",
  [Type.FIXED64]: "fixed64",
  [Type.FIXED32]: "fixed32",
  [Type.BOOL]: "bool",
  [Type.STRING]: "string",
  [Type.BYTES]: "bytes",
  [Type.UINT32]: "uint32",
  [Type.SFIXED32]: "sfixed32",
  [Type.SFIXED64]: "sfixed64",
  [Type.SINT32]: "sint32",
  [Type.SINT64]: "sint64",
};

/**
 * The .proto text of one file, without comments (a descriptor at run time has none).
 *
 * Throws: if the file uses what this printer does not cover.
 *
 * @param {DescFile} file
 * @returns {string}
 */
export function printProtoFile(file) {
  const proto = file.proto;
  const syntax = proto.syntax === "" ? "proto2" : proto.syntax;
  if (syntax !== "proto2" && syntax !== "proto3") throw new Error(`${proto.name}: cannot print syntax ${syntax}`);
  if (proto.service.length > 0) throw new Error(`${proto.name}: cannot print services`);
  /** @type {Context} */
  const context = { syntax, registry: createRegistry(file) };

  const imports = proto.dependency.map((path, index) => {
    const modifier = proto.publicDependency.includes(index) ? "public " : "";
    return `import ${modifier}${quote(path)};`;
  });
  const sections = [
    [`syntax = ${quote(syntax)};`],
    proto.package === "" ? [] : [`package ${proto.package};`],
    imports,
    optionsOf(FileOptionsSchema, proto.options, context).map((option) => `option ${option};`),
    ...extendBlocks(proto.extension, context),
    ...proto.messageType.map((message) => messageBlock(message, context)),
    ...proto.enumType.map((enumType) => enumBlock(enumType, context)),
  ];
  const text = sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${text.join("\n\n")}\n`;
}

/**
 * @param {DescriptorProto} message
 * @param {Context} context
 * @returns {string[]}
 */
function messageBlock(message, context) {
  const maps = new Map(
    message.nestedType.filter((nested) => nested.options?.mapEntry).map((entry) => [entry.name, entry]),
  );
  const nested = message.nestedType.filter((type) => !maps.has(type.name));
  return block(`message ${message.name}`, [
    ...optionsOf(MessageOptionsSchema, message.options, context).map((option) => `option ${option};`),
    ...nested.flatMap((type) => messageBlock(type, context)),
    ...message.enumType.flatMap((type) => enumBlock(type, context)),
    ...memberLines(message, maps, context),
    ...extendBlocks(message.extension, context).flat(),
    ...message.extensionRange.map((range) => {
      if (range.options !== undefined) throw new Error(`${message.name}: cannot print options of an extension range`);
      return `extensions ${numberRange(range.start, range.end - 1, FIELD_NUMBER_LIMIT - 1)};`;
    }),
    ...message.reservedRange.map(
      (range) => `reserved ${numberRange(range.start, range.end - 1, FIELD_NUMBER_LIMIT - 1)};`,
    ),
    ...reservedNames(message.reservedName),
  ]);
}

/**
 * Fields in their own order; a oneof stands where its first field stands.
 *
 * @param {DescriptorProto} message
 * @param {Map<string, DescriptorProto>} maps the map entry types by name
 * @param {Context} context
 * @returns {string[]}
 */
function memberLines(message, maps, context) {
  const printed = new Set();
  return message.field.flatMap((field) => {
    const index = oneofIndexOf(field);
    if (index === undefined) return [fieldLine(field, maps, context)];
    if (printed.has(index)) return [];
    printed.add(index);
    const oneof = message.oneofDecl[index];
    if (oneof === undefined) throw new Error(`${message.name}.${field.name}: its oneof does not exist`);
    return block(`oneof ${oneof.name}`, [
      ...optionsOf(OneofOptionsSchema, oneof.options, context).map((option) => `option ${option};`),
      ...message.field.filter((other) => oneofIndexOf(other) === index).map((other) => fieldLine(other, maps, context)),
    ]);
  });
}

/**
 * The oneof of a field. A proto3 `optional` is a oneof only inside the compiler.
 *
 * @param {FieldDescriptorProto} field
 * @returns {number | undefined}
 */
function oneofIndexOf(field) {
  return Object.hasOwn(field, "oneofIndex") && !field.proto3Optional ? field.oneofIndex : undefined;
}

/**
 * @param {FieldDescriptorProto} field
 * @param {Map<string, DescriptorProto>} maps
 * @param {Context} context
 * @returns {string}
 */
function fieldLine(field, maps, context) {
  const entry = maps.get(field.typeName.slice(field.typeName.lastIndexOf(".") + 1));
  const [key, value] = entry?.field ?? [];
  const type = key !== undefined && value !== undefined ? `map<${typeName(key)}, ${typeName(value)}>` : typeName(field);
  const label = entry === undefined ? labelOf(field, context) : "";
  const settings = optionsOf(FieldOptionsSchema, field.options, context);
  if (Object.hasOwn(field, "defaultValue")) settings.unshift(`default = ${defaultLiteral(field)}`);
  const suffix = settings.length === 0 ? "" : ` [${settings.join(", ")}]`;
  return `${label}${type} ${field.name} = ${field.number}${suffix};`;
}

/**
 * @param {FieldDescriptorProto} field
 * @param {Context} context
 * @returns {string}
 */
function labelOf(field, context) {
  if (oneofIndexOf(field) !== undefined) return "";
  if (field.label === Label.REPEATED) return "repeated ";
  if (field.label === Label.REQUIRED) return "required ";
  return context.syntax === "proto2" || field.proto3Optional ? "optional " : "";
}

/**
 * @param {FieldDescriptorProto} field
 * @returns {string}
 */
function typeName(field) {
  if (field.type === Type.MESSAGE || field.type === Type.ENUM) return field.typeName;
  const name = SCALAR_NAMES[field.type];
  if (name === undefined) throw new Error(`${field.name}: cannot print a field of type ${Type[field.type]}`);
  return name;
}

/**
 * @param {FieldDescriptorProto} field
 * @returns {string}
 */
function defaultLiteral(field) {
  if (field.type === Type.BYTES) throw new Error(`${field.name}: cannot print the default of a bytes field`);
  return field.type === Type.STRING ? quote(field.defaultValue) : field.defaultValue;
}

/**
 * @param {FieldDescriptorProto[]} extensions
 * @param {Context} context
 * @returns {string[][]} one block per extended message
 */
function extendBlocks(extensions, context) {
  const byExtendee = Map.groupBy(extensions, (extension) => extension.extendee);
  return [...byExtendee].map(([extendee, fields]) =>
    block(
      `extend ${extendee}`,
      fields.map((field) => fieldLine(field, new Map(), context)),
    ),
  );
}

/**
 * @param {EnumDescriptorProto} enumType
 * @param {Context} context
 * @returns {string[]}
 */
function enumBlock(enumType, context) {
  return block(`enum ${enumType.name}`, [
    ...optionsOf(EnumOptionsSchema, enumType.options, context).map((option) => `option ${option};`),
    ...enumType.value.map((value) => {
      const settings = optionsOf(EnumValueOptionsSchema, value.options, context);
      return `${value.name} = ${value.number}${settings.length === 0 ? "" : ` [${settings.join(", ")}]`};`;
    }),
    ...enumType.reservedRange.map((range) => `reserved ${numberRange(range.start, range.end, ENUM_NUMBER_MAX)};`),
    ...reservedNames(enumType.reservedName),
  ]);
}

/**
 * `name = value` for every option that is set, custom options included.
 *
 * @param {DescMessage} schema the options message's descriptor
 * @param {Message | undefined} options
 * @param {Context} context
 * @returns {string[]}
 */
function optionsOf(schema, options, context) {
  if (options === undefined) return [];
  const message = reflect(schema, options);
  const plain = message.fields
    .filter((field) => message.isSet(field) && field.name !== "map_entry")
    .flatMap((field) => literals(field, message.get(field)).map((literal) => `${field.name} = ${literal}`));
  const custom = (options.$unknown ?? []).map((unknown) => unknown.no);
  return plain.concat(
    [...new Set(custom)].flatMap((number) => {
      const extension = context.registry.getExtensionFor(schema, number);
      if (extension === undefined) throw new Error(`${schema.typeName}: the custom option ${number} is not known`);
      if (extension.fieldKind !== "message") throw new Error(`${extension.typeName}: cannot print this kind of option`);
      const value = /** @type {Message} */ (getExtension(options, extension));
      return [`(${extension.typeName}) = ${literal(extension, reflect(extension.message, value))}`];
    }),
  );
}

/**
 * @param {DescField} field
 * @param {unknown} value as ReflectMessage.get returns it
 * @returns {string[]} one literal, or one per element of a list
 */
function literals(field, value) {
  if (field.fieldKind === "map") throw new Error(`${field.name}: cannot print a map in an option`);
  if (field.fieldKind !== "list") return [literal(field, value)];
  return [.../** @type {Iterable<unknown>} */ (value)].map((element) => literal(field, element));
}

/**
 * One value as the protobuf language writes it in options.
 *
 * @param {{ message?: unknown, enum?: DescEnum | undefined, name: string }} field
 * @param {unknown} value
 * @returns {string}
 */
function literal(field, value) {
  if (field.message !== undefined) {
    const message = /** @type {import("@bufbuild/protobuf/reflect").ReflectMessage} */ (value);
    const members = message.fields
      .filter((member) => message.isSet(member))
      .flatMap((member) => literals(member, message.get(member)).map((text) => `${member.name}: ${text}`));
    return `{ ${members.join(", ")} }`;
  }
  if (field.enum !== undefined) {
    const name = field.enum.value[/** @type {number} */ (value)]?.name;
    if (name === undefined) throw new Error(`${field.name}: ${value} is not in ${field.enum.typeName}`);
    return name;
  }
  if (typeof value === "string") return quote(value);
  if (value instanceof Uint8Array) throw new Error(`${field.name}: cannot print bytes in an option`);
  if (typeof value === "number" && !Number.isFinite(value))
    return String(value).replace("Infinity", "inf").toLowerCase();
  return String(value);
}

/**
 * @param {string} head
 * @param {string[]} body
 * @returns {string[]}
 */
function block(head, body) {
  return [`${head} {`, ...body.map((line) => `  ${line}`), "}"];
}

/**
 * @param {number} first
 * @param {number} last inclusive
 * @param {number} max the last number there is
 * @returns {string}
 */
function numberRange(first, last, max) {
  if (last === first) return String(first);
  return `${first} to ${last === max ? "max" : last}`;
}

/**
 * @param {string[]} names
 * @returns {string[]}
 */
function reservedNames(names) {
  return names.length === 0 ? [] : [`reserved ${names.map(quote).join(", ")};`];
}

/**
 * A string literal. Everything outside printable ASCII is escaped by code point.
 *
 * @param {string} text
 * @returns {string}
 */
function quote(text) {
  const escaped = text.replaceAll(/[^ !#-[\]-~]/gu, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    if (character === "\n") return "\\n";
    return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`;
  });
  return `"${escaped}"`;
}
