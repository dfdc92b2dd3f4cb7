-- A UUIDv7 of the database's time: 48 bits of milliseconds, 12 of their fraction, the rest by chance. So
-- ids of one session stand in the order in which they were made.
create or replace function {schema}.new_id() returns uuid language plpgsql volatile as $$
declare
    v_ms numeric := extract(epoch from clock_timestamp()) * 1000;
begin
    return overlay(
        replace(gen_random_uuid()::text, '-', '') placing
        lpad(to_hex(floor(v_ms)::bigint), 12, '0') || '7'
        || lpad(to_hex(floor((v_ms - floor(v_ms)) * 4096)::integer), 3, '0') from 1)::uuid;
end $$;
