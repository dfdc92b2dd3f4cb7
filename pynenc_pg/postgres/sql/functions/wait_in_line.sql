-- Waits for a place of those who claim much at once (see claim), first come, first served, and not for
-- long: who has one may stand still, and without a place a claim is as right, only dearer.
-- Internal. Locks: the place, to the end of the transaction.
create or replace function {schema}.wait_in_line(p_place integer) returns void language plpgsql
set lock_timeout = '100ms' as $$
begin
    perform pg_advisory_xact_lock(lock_space(), p_place);
exception when lock_not_available then
    null;
end $$;
