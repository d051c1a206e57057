import { createHash } from "node:crypto";

/**
 * What runs inside the server, each call as one step that nothing comes between. It compares texts for being equal, and
 * nothing else: numbers are floating in Lua, where 2^53 and 2^53 + 1 are the same, so all that has to be computed or ordered is
 * the caller's to do. (A read compares counts of bytes and of batches, which are far below that.)
 *
 * Everything that can fail is checked before the first write, because a function that fails half-way keeps what it wrote.
 * What comes behind the journal and its facts are only the rows of accounts: where one of their keys is no hash, it is
 * replaced, and the rows are marked as unknown.
 *
 * A library and not a script: it is saved with the data and sent to replicas, so that a restart or a failover needs no loading
 * in the middle of an append; and a function without `allow-oom` is refused as a whole where memory is full.
 */
const BODY = `
local function asked_type(types)
  for i = 1, #types, 2 do
    local found = redis.call('TYPE', types[i]).ok
    if found ~= 'none' and found ~= types[i + 1] then return { 'type', types[i], found } end
  end
end

local function asked_facts(meta, facts)
  local names = {}
  for i = 1, #facts, 2 do names[#names + 1] = facts[i] end
  local found = redis.call('HMGET', meta, unpack(names))
  for i = 1, #names do
    local value = found[i] or ''
    if value ~= facts[2 * i] then return { 'fact', names[i], value } end
  end
end

local function asked_lengths(lengths)
  for i = 1, #lengths, 2 do
    local found = string.format('%.0f', redis.call('XLEN', lengths[i]))
    if found ~= lengths[i + 1] then return { 'length', lengths[i], found } end
  end
end

local function unexpected(meta, plan)
  return asked_type(plan[1]) or asked_facts(meta, plan[2]) or asked_lengths(plan[3])
end

local function set_account(key, fields)
  local done = redis.pcall('HSET', key, unpack(fields))
  if type(done) == 'number' then return true end
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(fields))
  return false
end

-- number, posted, held, version, count of the texts that follow, those
local function set_accounts(prefix, rows)
  local call, all_hashes = redis.pcall, true
  local i = 1
  while i <= #rows do
    local key, more = prefix .. rows[i], tonumber(rows[i + 4])
    if more == 0 then
      local done = call('HSET', key, 'posted', rows[i + 1], 'held', rows[i + 2], 'version', rows[i + 3])
      if type(done) ~= 'number' then
        all_hashes = false
        set_account(key, { 'posted', rows[i + 1], 'held', rows[i + 2], 'version', rows[i + 3] })
      end
    else
      local fields = { 'posted', rows[i + 1], 'held', rows[i + 2], 'version', rows[i + 3] }
      for j = i + 5, i + 4 + more do fields[#fields + 1] = rows[j] end
      all_hashes = set_account(key, fields) and all_hashes
    end
    i = i + 5 + more
  end
  return all_hashes
end

local function append(keys, args)
  local meta, plan = keys[1], cmsgpack.unpack(args[1])
  local no = unexpected(meta, plan)
  if no then return no end
  local batches = plan[4]
  for i = 1, #batches do
    local b = batches[i]
    redis.call('XADD', b[1], b[2], 'first', b[3], 'prev', b[4], 'hash', b[5], 'frame', args[i + 2])
  end
  redis.call('HSET', meta, unpack(plan[5]))
  local shown = plan[6]
  if #shown > 0 then
    -- Rows that were behind the journal before stay so: only those who write all of them anew say otherwise.
    local before = redis.call('HGET', meta, 'accounts')
    local all_hashes = set_accounts(shown[1], cmsgpack.unpack(args[2]))
    if before == shown[2] and all_hashes then redis.call('HSET', meta, 'accounts', shown[3]) end
  end
  return { 'done' }
end

local function write(keys, args)
  local meta, plan = keys[1], cmsgpack.unpack(args[1])
  local no = unexpected(meta, plan)
  if no then return no end
  for _, command in ipairs(plan[4]) do redis.call(unpack(command)) end
  if #plan[5] > 0 then redis.call('HSET', meta, unpack(plan[5])) end
  return { 'done' }
end

local function rows(keys, args)
  local meta, plan = keys[1], cmsgpack.unpack(args[1])
  local no = unexpected(meta, plan)
  if no then return no end
  set_accounts(plan[4][1], cmsgpack.unpack(args[2]))
  return { 'done' }
end

-- key of the stream, first id, last id, bytes at most, entries at most, '1' with frames
local function read(keys, args)
  local found, bytes = {}, 0
  local from, bytes_max, count_max = args[1], tonumber(args[3]), tonumber(args[4])
  while #found < count_max do
    local entry = redis.call('XRANGE', keys[1], from, args[2], 'COUNT', 1)[1]
    if not entry then break end
    local fields = entry[2]
    local frame = fields[8] or ''
    bytes = bytes + #frame
    if bytes > bytes_max and #found > 0 then break end
    if args[5] ~= '1' then fields[8] = nil end
    found[#found + 1] = entry
    from = '(' .. entry[1]
  end
  return found
end
`;

const FLAGS = { append: "", write: "", write_lease: "'allow-oom'", rows: "", read: "'no-writes'" } as const;

/** A function of the library. `write_lease` is `write` where memory is full, too. */
export type FunctionName = keyof typeof FLAGS;

// Its name has the hash of what is in it: another release brings a library of its own beside this one, and neither changes
// what the other does.
const VERSION = createHash("sha256")
  .update(BODY + JSON.stringify(FLAGS))
  .digest("hex")
  .slice(0, 12);

export const LIBRARY_NAME = `bank_store_${VERSION}`;

/** How the server knows a function. */
export function serverName(name: FunctionName): string {
  return `bank_${name}_${VERSION}`;
}

export const LIBRARY = `#!lua name=${LIBRARY_NAME}
${BODY}
${Object.entries(FLAGS)
  .map(([name, flags]) => {
    const callback = name === "write_lease" ? "write" : name;
    return `redis.register_function{ function_name = '${serverName(name as FunctionName)}', callback = ${callback}, flags = { ${flags} } }`;
  })
  .join("\n")}
`;
