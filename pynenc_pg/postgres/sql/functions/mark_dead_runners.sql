-- Compares the runners of an app with the session locks that are held (pg_locks; the lock itself
-- is never tried) and with the clock; marks the dead and answers their ids. Internal to recover.
-- A lock taken before the server's last start fell with it and proves nothing, nor does it prove
-- anything that it was seen missing while the server stopped: such a runner lives by its lease.
create or replace function {schema}.mark_dead_runners(
    p_app text, p_grace double precision, p_now timestamptz
) returns text[] language plpgsql as $$
declare
    v_held    bigint[];
    v_dead    text[];
    v_started timestamptz := pg_postmaster_start_time();
begin
    v_held := array(
        select l.objid::bigint from pg_locks l
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2
          and l.classid = lock_space()::oid
          and l.database = (select d.oid from pg_database d where d.datname = current_database()));
    update runner r
    set lock_gone_at = case when r.lock_gone_at is null then p_now end
    where r.app_id = p_app and r.dead_at is null and r.lock_held_at is not null
      and (r.lock_gone_at is null) <> (r.serial = any (v_held) or r.lock_held_at <= v_started);

    v_dead := array(
        select r.runner_id from runner r
        where r.app_id = p_app and r.dead_at is null
          and (r.lock_gone_at <= p_now - make_interval(secs => p_grace)
               -- A lease that could not be renewed while the server was down runs anew from its start.
               or greatest(r.lease_until, v_started + make_interval(secs => r.lease_seconds)) < p_now
                  and r.heartbeat_at < v_started
               or r.lease_until < p_now and r.heartbeat_at >= v_started)
        for no key update skip locked);
    if v_dead <> '{}' then
        update runner r set dead_at = p_now where r.runner_id = any (v_dead);
        perform notify(p_app, 'runner');
    end if;
    return v_dead;
end $$;
