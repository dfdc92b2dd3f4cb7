-- The name of the partition of a table that begins at a time: the table's name and that day in UTC.
create or replace function {schema}.partition_name(p_parent text, p_from timestamptz) returns text
language sql immutable parallel safe
return p_parent || '_' || to_char(p_from at time zone 'UTC', 'YYYYMMDD');
