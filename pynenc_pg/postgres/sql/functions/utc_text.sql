-- A time as every client reads it, to the second. Internal to why.
create or replace function {schema}.utc_text(p_at timestamptz) returns text
language plpgsql immutable as $$
begin
    return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
end $$;
