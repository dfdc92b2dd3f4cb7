-- Lets an invocation wait for others to end; answers the outcomes of those that have.
-- Moves: running, resumed -> paused, unless enough has ended: the first of p_awaited or, with
-- p_any, one of them. Again by its owner it adds what is waited for. The slot of its concurrency
-- key stays its own.
-- Locks: the waits of the app (its own children alone: shared), then rows by id.
-- Raises: PN002 it is not ours, PN012 the wait would never end, PN014 an id that nobody knows.
create or replace function {schema}.pause(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_awaited uuid[], p_any boolean,
    p_listener text
) returns table (
    invocation_id uuid, status text, value text, reason text, runner_id text, finished_at timestamptz)
language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_tree    boolean;
    v_live    uuid[];
    v_held    boolean;
    v_unknown uuid;
begin
    perform check_isolation();
    v_tree := lock_waits(p_app, p_id, p_awaited);
    -- An end waits for us, a claim does not.
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id < p_id
    order by s.invocation_id for key share;
    select true into v_held from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app and s.runner_id is not distinct from p_runner
      and s.lease = p_lease and s.status in ('running', 'resumed', 'paused') for no key update;
    if not found then
        raise exception 'invocation % cannot wait: runner % does not hold it', p_id, p_runner
            using errcode = 'PN002', hint = 'It was given to another runner; its task must stop.';
    end if;
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id > p_id
    order by s.invocation_id for key share;

    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select a.id from unnest(p_awaited) a (id) where exists (
                        select from invocation_state s where s.invocation_id = a.id and s.app_id = p_app
                        offset 0));
    if cardinality(v_live) < cardinality(p_awaited) then
        select a.id into v_unknown from unnest(p_awaited) a (id)
        where a.id <> all (v_live) and not exists (
            select from outcomes(p_app, array[a.id])) limit 1;
        if found then
            raise exception 'invocation % waits for % that this app has never seen, or that was purged',
                    p_id, v_unknown
                using errcode = 'PN014', hint = 'Call the task again.';
        end if;
    end if;
    if p_any and cardinality(v_live) = cardinality(p_awaited)
       or not p_any and p_awaited[1] = any (v_live) then
        insert into wait_edge (app_id, awaited_id, waiter_id, listener, needed)
        select p_app, l.id, p_id, p_listener,
               case when p_any then 2 when l.id = p_awaited[1] then 1 else 0 end
        from unnest(v_live) l (id)
        on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid)))
        do update set needed = excluded.needed where excluded.needed > 0;
        if not v_tree then
            perform refuse_circle(p_id);
        end if;
        perform hasten(p_app, v_live);
        update invocation_state s
        set status = 'paused', previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner
        where s.invocation_id = p_id and s.status <> 'paused';
    end if;
    if cardinality(v_live) = cardinality(p_awaited) then
        return;
    end if;
    return query select * from outcomes(p_app, array(
        select a.id from unnest(p_awaited) a (id) where a.id <> all (v_live)));
end $$;
