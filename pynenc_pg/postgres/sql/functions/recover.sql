-- Takes from dead runners what they held, and from live ones what they did not begin in time.
-- A runner is dead when its session lock is gone for longer than the grace, or its lease is over;
-- never by how long a task runs. Locks that fell with a restart of the server prove nothing.
-- p_max_pending null: live runners are not looked at, which costs a look at all they hold.
-- Moves: pending -> pending_recovery; begun -> running_recovery; both -> rerouted | failed.
-- Locks: one recovery at a time per app, lanes by key, then rows (skip locked: next time).
create or replace function {schema}.recover(
    p_app text, p_grace double precision, p_max_pending double precision,
    p_max_recoveries integer, p_limit integer,
    out rerouted integer, out quarantined integer, out dead text[], out next_look double precision
) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_late  timestamptz := v_now - make_interval(secs => p_max_pending);
    v_lanes bigint[];
    v_ids   uuid[];
    v_gone  text[];
begin
    rerouted := 0;
    quarantined := 0;
    dead := '{}';
    perform check_isolation();
    if not pg_try_advisory_xact_lock(lock_space(), -1000 - (hashtext(p_app) & 1048575)) then
        return;
    end if;
    dead := mark_dead_runners(p_app, p_grace, v_now);
    v_ids := array(
        select s.invocation_id from runner r cross join lateral (
            select s.invocation_id from invocation_state s
            where s.runner_id = r.runner_id and s.runner_id is not null limit p_limit) s
        where r.app_id = p_app and r.dead_at is not null limit p_limit);
    if v_late is not null then
        v_ids := v_ids || array(
            select s.invocation_id from runner r cross join lateral (
                select s.invocation_id from invocation_state s
                where s.runner_id = r.runner_id and s.runner_id is not null
                  and s.status = 'pending' and s.status_at < v_late limit p_limit) s
            where r.app_id = p_app and r.dead_at is null limit p_limit - cardinality(v_ids));
    end if;
    v_lanes := lock_lanes(v_ids);
    with mine as materialized (
        select s.invocation_id
        from (select id from unnest(v_ids) id order by id) i cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = i.id and exists (
                select from runner r where r.runner_id = s.runner_id
                and (r.dead_at is not null or s.status = 'pending' and s.status_at < v_late) offset 0)
            offset 0 for no key update skip locked) s
    ), stopped as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'pending_recovery'
                          else 'running_recovery' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1,
            changed_by = 'recovery', recoveries = s.recoveries + (s.status <> 'pending')::int
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select x.invocation_id from stopped x) into v_ids;
    if v_ids <> '{}' then
        quarantined := quarantine(v_ids, p_max_recoveries);
        perform reroute_stopped(v_ids, 'recovery');
        rerouted := cardinality(v_ids) - quarantined;
        delete from wait_edge e where e.waiter_id = any (v_ids);
        if v_lanes is not null then
            perform free_slots(p_app, v_lanes, v_ids, 'recovery');
        end if;
        perform notify(p_app, 'work');
    end if;

    if dead <> '{}' then
        perform return_causes(p_app, dead);
    end if;
    -- Locked first, looked at in a new statement: a claim that began before its runner was declared
    -- dead may have ended in between, and what it took is found by the runner's row alone.
    v_gone := array(select r.runner_id from runner r where r.app_id = p_app and r.dead_at is not null
                    for update skip locked);
    if v_gone <> '{}' then
        delete from runner r where r.runner_id = any (v_gone)
        and not exists (select from invocation_state s where s.runner_id = r.runner_id);
    end if;
    select extract(epoch from min(r.lock_gone_at) + make_interval(secs => p_grace) - clock_timestamp())
    into next_look from runner r where r.app_id = p_app and r.dead_at is null;
end $$;
