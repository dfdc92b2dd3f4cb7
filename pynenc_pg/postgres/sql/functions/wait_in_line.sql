-- Waits for a place of those who claim much at once (see claim), for two seconds at most: who has one
-- may be held up, and without a place a claim is as right, only dearer. First come, first served.
-- Internal. Locks: the place, to the end of the transaction.
create or replace function {schema}.wait_in_line(p_place integer) returns void language plpgsql
set lock_timeout = '2s' as $$
begin
    perform pg_advisory_xact_lock(lock_space(), p_place);
exception when lock_not_available then
    null;
end $$;
