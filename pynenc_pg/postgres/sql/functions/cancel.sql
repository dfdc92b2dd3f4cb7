-- Ends what nobody owns; asks the owner for the rest. Answers cancelled | requested | final | unknown.
-- What it has called as steps of a workflow is cancelled with it, and what that has.
-- Moves: registered, rerouted, retry, concurrency_controlled -> failed (cancelled).
-- Locks: its lane, then its row; for a workflow the lanes of all by key, then the rows by id.
create or replace function {schema}.cancel(p_app text, p_id uuid, p_changed_by text)
returns text language plpgsql {definer} as $$
declare
    v_ids   uuid[] := array[p_id];
    v_owned uuid[];
    v_free  uuid[];
begin
    perform check_isolation();
    for v_round in 1..3 loop
        v_ids := own_steps(v_ids);
        perform lock_lanes(v_ids);
        perform from invocation_state s where s.invocation_id = any (v_ids)
        order by s.invocation_id for update;
        -- A new statement: what was called while we waited.
        exit when cardinality(own_steps(v_ids)) = cardinality(v_ids);
    end loop;
    select array_agg(s.invocation_id) filter (where s.runner_id is not null),
           array_agg(s.invocation_id) filter (where s.runner_id is null)
    into v_owned, v_free
    from invocation_state s where s.invocation_id = any (v_ids) and s.app_id = p_app;
    if v_owned is not null then
        update invocation_state s
        set cancel_requested_at = coalesce(s.cancel_requested_at, clock_timestamp()),
            previous_status = s.status
        where s.invocation_id = any (v_owned);
        perform notify(p_app, 'cancel', to_json(o.id)) from unnest(v_owned) o (id);
    end if;
    if v_free is not null then
        perform end_unowned(v_free, 'failed', 'cancelled', p_changed_by);
    end if;
    if p_id = any (v_owned) then
        return 'requested';
    elsif p_id = any (v_free) then
        return 'cancelled';
    end if;
    return case when exists (select from invocation_outcome o where o.invocation_id = p_id and o.app_id = p_app)
           then 'final' else 'unknown' end;
end $$;
