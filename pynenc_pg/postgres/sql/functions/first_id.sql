-- The smallest UUIDv7 of a time: 48 bits of milliseconds, the rest zero.
create or replace function {schema}.first_id(p_at timestamptz) returns uuid
language sql immutable parallel safe
return (lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
