-- Asks several limits at once: all are charged, or none. One round trip; the time is the server's, so that gateways on
-- machines with different clocks agree.
--
-- ARGV: microseconds to add to the time (tests move it), then for each key: kind, a, b, cost
--   b  bucket          a: nanoseconds for one request, b: its capacity in nanoseconds
--   z  frozen bucket   a: 1, b: its capacity in requests; never refills, never expires
--   f  fixed window    a: seconds, b: size
--   s  sliding window  a: seconds, b: size
-- Answers whether all admit, then for each what was used before:
--   b, z: {debt}  f: {microseconds ahead, count}  s: {microseconds ahead, count before, count}
-- `apigw_cli.limits.algorithms` makes the decision's words of that. Numbers are doubles: all stay below 2^53.
local time = redis.call('TIME')
local micros = tonumber(time[2]) + tonumber(ARGV[1]) % 1000000
local now = tonumber(time[1]) + math.floor(tonumber(ARGV[1]) / 1000000) + math.floor(micros / 1000000)
micros = micros % 1000000

local function fields(text)
  local found = {}
  for word in string.gmatch(text or '', '%S+') do
    found[#found + 1] = tonumber(word) or word
  end
  return found
end

-- A clock that stepped back leaves states that lie ahead: they count as used up to what may be, from now on, and are
-- written so at once, or a key would be locked until the clock is where it was.
local stepped = false

local function debt_of(was)
  if was[1] == 'z' then return was[3] end
  local debt = (was[3] - now) * 1e9 + was[4] - micros * 1000
  stepped = stepped or debt > was[2]
  return math.min(math.max(debt, 0), was[2])
end

local function window(length)
  local finish = (math.floor(now / length) + 1) * length
  return finish, (finish - now) * 1000000 - micros
end

local function counts(was, length)
  local finish, ahead = window(length)
  if not was[1] then return finish, ahead, 0, 0 end
  stepped = stepped or was[4] > finish
  if was[4] >= finish then return finish, ahead, was[5], was[6] end
  if was[1] == 's' and was[4] == finish - length then return finish, ahead, was[6], 0 end
  return finish, ahead, 0, 0
end

-- How much of a limit of another kind is used, from 0 to 1.
local function share(was)
  if not was[1] then return 0 end
  if was[1] == 'b' or was[1] == 'z' then return debt_of(was) / was[2] end
  local _, ahead, before, count = counts(was, was[2])
  return math.min(1, (before * ahead / (was[2] * 1000000) + count) / was[3])
end

local function set(write)
  if write[3] then
    redis.call('SET', write[1], write[2], 'PX', string.format('%.0f', write[3]))
  else
    redis.call('SET', write[1], write[2])
  end
end

local function bucket(debt, capacity)
  local nanos = micros * 1000 + debt
  local text = string.format('b %.0f %.0f %.0f', capacity, now + math.floor(nanos / 1e9), nanos % 1e9)
  return text, math.ceil(debt / 1e6) + 1
end

local function window_text(kind, length, size, finish, before, count)
  return string.format('%s %.0f %.0f %.0f %.0f %.0f', kind, length, size, finish, before, count)
end

local answer, writes, admitted = {0}, {}, true
for i = 1, #KEYS do
  local at = 1 + (i - 1) * 4
  local kind, a, b, cost = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local was = fields(redis.call('GET', KEYS[i]))
  local text, life, healed
  stepped = false
  if kind == 'b' or kind == 'z' then
    local debt = (was[1] == kind and was[2] == b) and debt_of(was) or math.ceil(share(was) * b)
    answer[i + 1] = {debt}
    debt = debt + cost * a
    admitted = admitted and debt <= b
    if kind == 'z' then
      text = string.format('z %.0f %.0f', b, debt)
    else
      text, life = bucket(debt, b)
      healed = bucket(debt - cost * a, b)
    end
  else
    local finish, ahead, before, count
    if was[1] == kind and was[2] == a and was[3] == b then
      finish, ahead, before, count = counts(was, a)
    else
      finish, ahead = window(a)
      before, count = 0, math.ceil(share(was) * b)
    end
    local used = count + cost
    if kind == 's' then
      answer[i + 1] = {ahead, before, count}
      used = used + math.floor(before * ahead / (a * 1000000))
      life = math.ceil(ahead / 1000) + a * 1000 + 1
    else
      answer[i + 1] = {ahead, count}
      life = math.ceil(ahead / 1000) + 1
    end
    admitted = admitted and used <= b
    text = window_text(kind, a, b, finish, before, count + cost)
    healed = window_text(kind, a, b, finish, before, count)
  end
  if stepped then set({KEYS[i], healed, life}) end
  if cost > 0 then writes[#writes + 1] = {KEYS[i], text, life} end
end
if admitted then
  answer[1] = 1
  for _, write in ipairs(writes) do set(write) end
end
return answer
