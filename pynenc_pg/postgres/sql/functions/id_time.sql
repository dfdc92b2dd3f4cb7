-- The time a UUIDv7 was made, by the clock of whoever made it.
create or replace function {schema}.id_time(p_id uuid) returns timestamptz
language sql immutable parallel safe
return to_timestamp(
    ('x' || left(replace(p_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);
