-- The first half of this schema's advisory locks: two schemas in one database do not meet.
-- The second half is a runner's serial (its session lock), or negative: -2 partitions,
-- -3 migrations, from -1000 down the recovery of an app, from -2000000 down what its runners know,
-- from -4000000 down the places of those who claim much.
create or replace function {schema}.lock_space() returns integer
language sql immutable parallel safe
return hashtext('{schema_name}') & 2147483647;
