import type { KeySource } from '#mesh/config/client-authentication.ts'

export interface AttemptsScript {
  /** Where a client proves who it is; the first in which there is something counts. */
  readonly from: readonly KeySource[]
  readonly wrongPerMinute: number
  /** The object in the filter state of a request that says that it was let in. */
  readonly admittedKey: string
}

/** What each of a proxy's threads remembers of addresses, of clients that were let in, and of requests under way, at most twice. */
const room = 5000

/**
 * In Lua, before the filter of clients: who comes from where too many wrong keys came from is answered 429, unless it brings a key that was right before. So nobody locks out
 * clients who are known, be it from an address that all of them share.
 */
export const writeAttemptsScript = ({ from, wrongPerMinute, admittedKey }: AttemptsScript): string =>
  `local ROOM, LIMIT, ADMITTED = ${room}, ${wrongPerMinute}, ${quote(admittedKey)}
local SOURCES = { ${from.map(writeSource).join(', ')} }
${script}`

const writeSource = ({ header, query, cookie }: KeySource): string => {
  if (header !== undefined) return `{ "header", ${quote(header.toLowerCase())} }`
  return query === undefined ? `{ "cookie", ${quote(cookie ?? '')} }` : `{ "query", ${quote(query)} }`
}

/** As Lua has it, where bytes are written by their numbers. */
const quote = (text: string): string => {
  const escaped = encodeURIComponent(text.toWellFormed())
  return `"${escaped.replaceAll(/%(..)/g, (_, digits: string) => `\\${String(Number.parseInt(digits, 16)).padStart(3, '0')}`)}"`
}

const script = `
-- Two generations: the older one goes when the newer one is full, and what is asked for lives on.
local function remember()
  local young, old, size = {}, {}, 0
  local store = {}
  function store.put(key, value)
    if young[key] == nil then
      if size == ROOM then young, old, size = {}, young, 0 end
      size = size + 1
    end
    young[key] = value
  end
  function store.get(key)
    local value = young[key]
    if value == nil and old[key] ~= nil then
      value = old[key]
      store.put(key, value)
    end
    return value
  end
  return store
end

-- Debts of networks by their last change, keys that were right, attempts that nobody has judged yet.
local wrong, right, waiting, number = remember(), remember(), remember(), 0

-- Of an IPv6 address its /64, which is one customer's.
local function toNetwork(text)
  local six = text:match("^%[(.*)%]:%d+$")
  if not six then return text:match("^(.*):%d+$") or text end
  local four = six:match("^::ffff:(%d+%.%d+%.%d+%.%d+)$")
  if four then return four end
  local groups = {}
  local front, back = six:match("^(.-)::(.*)$")
  for group in (front or six):gmatch("%x+") do groups[#groups + 1] = group end
  local _, behind = (back or ""):gsub("%x+", "")
  for _ = #groups + 1, 8 - behind do groups[#groups + 1] = "0" end
  for group in (back or ""):gmatch("%x+") do groups[#groups + 1] = group end
  return table.concat(groups, ":", 1, 4)
end

-- What follows "<name>=" in a list of such.
local function find(list, name, separator)
  for part in list:gmatch("[^" .. separator .. "]+") do
    local key, value = part:match("^%s*([^=]*)=(.*)$")
    if key == name and value ~= "" then return value end
  end
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- What the request brings in one place, and whether the proxy may find something there all the same.
local function look(headers, kind, name)
  if kind == "header" then
    local value = headers:get(name)
    return value ~= "" and value or nil, headers:getNumValues(name) > 0
  end
  local list = kind == "cookie" and headers:get("cookie") or (headers:get(":path") or ""):match("%?(.*)$") or ""
  return find(list, name, kind == "cookie" and ";" or "&"), decode(list):find(name .. "=", 1, true) ~= nil
end

local function readProof(headers)
  local isTried = false
  for _, source in ipairs(SOURCES) do
    local proof, mayBe = look(headers, source[1], source[2])
    if proof then return source[1] .. proof, true end
    isTried = isTried or mayBe
  end
  return nil, isTried
end

local function readDebt(entry, now)
  return math.max(0, entry[1] - math.max(0, now - entry[2]) * LIMIT / 60000)
end

function envoy_on_request(handle)
  local proof, isTried = readProof(handle:headers())
  if not isTried or (proof and right.get(proof)) then return end
  local network = toNetwork(handle:streamInfo():downstreamRemoteAddress())
  local entry = wrong.get(network)
  local debt = entry and readDebt(entry, handle:timestamp()) or 0
  if debt > LIMIT - 1 then
    handle:stats():counter("turned_away"):inc()
    handle:respond({
      [":status"] = "429",
      ["retry-after"] = tostring(math.ceil((debt - LIMIT + 1) * 60 / LIMIT)),
    }, "Too many wrong keys or passwords have come from your address.")
    return
  end
  number = number + 1
  waiting.put(number, { proof, network })
  handle:streamInfo():dynamicMetadata():set("atoll.client-attempts", "number", number)
end

function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get("atoll.client-attempts")
  local attempt = noted and waiting.get(noted["number"])
  if not attempt then return end
  waiting.put(noted["number"], false)
  local proof, network = attempt[1], attempt[2]
  if handle:streamInfo():filterState():get(ADMITTED) then
    if proof then right.put(proof, true) end
    return
  end
  if handle:headers():get(":status") ~= "401" then return end
  local now = handle:timestamp()
  local entry = wrong.get(network)
  wrong.put(network, { math.min((entry and readDebt(entry, now) or 0) + 1, 10 * LIMIT), now })
  handle:stats():counter("wrong"):inc()
end
`
