-- Waits for a place of those who claim much at once (see claim) as long as that line moves, for two
-- seconds at most. Whoever has the place may stand still: if it is the same transaction at two looks,
-- 0.1 s apart, the caller goes on without one, and its claim is as right, only dearer.
-- Internal. Locks: the place, to the end of the transaction.
create or replace function {schema}.wait_in_line(p_place integer) returns void language plpgsql
set lock_timeout = '100ms' as $$
declare
    v_before text;
    v_holder text;
begin
    for v_look in 1..20 loop
        begin
            perform pg_advisory_xact_lock(lock_space(), p_place);
            return;
        exception when lock_not_available then
            v_holder := (
                select l.virtualtransaction from pg_locks l
                where l.locktype = 'advisory' and l.classid = lock_space()::oid and l.granted
                  and l.objid = (p_place::bigint & 4294967295)::oid and l.objsubid = 2
                  and l.database = (select d.oid from pg_database d where d.datname = current_database()));
            if v_holder = v_before then
                return;
            end if;
            v_before := v_holder;
        end;
    end loop;
end $$;
