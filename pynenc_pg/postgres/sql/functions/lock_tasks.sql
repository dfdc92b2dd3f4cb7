-- One at a time per app: a runner that tells what it knows, and one that sets aside what it cannot take.
-- Else each might miss the other, and work be set aside that somebody can take. Internal. The first lock.
create or replace function {schema}.lock_tasks(p_app text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(lock_space(), -2000000 - (hashtext(p_app) & 1048575));
end $$;
