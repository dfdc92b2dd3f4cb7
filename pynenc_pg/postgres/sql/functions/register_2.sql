-- Accepts calls of one task as REGISTERED, all or none; returns the id each call became.
-- They belong to the workflow of p_parent; with p_own_workflow, or without parent, each to one of its own.
-- Moves: (new) -> registered. Locks: lanes by key (key share), then registration keys in order.
-- Raises: PN008 isolation, PN009 an id whose time is more than a day off; where p_refuse_different,
-- PN013 a registration key that belongs to an invocation with other arguments; PN015 one that a
-- transaction holds which does not end.
create or replace function {schema}.register_2(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean,
    p_ageing double precision default 60, p_rate integer default null,
    p_rate_period double precision default null, p_at timestamptz default null,
    p_retried_from uuid default null, p_own_workflow boolean default false
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_due     timestamptz := case when p_at > v_now then p_at
                                  when p_delay > 0 then v_now + make_interval(secs => p_delay) end;
    v_expires timestamptz := coalesce(v_due, v_now) + make_interval(secs => p_expires_in);
    v_rank    double precision := extract(epoch from coalesce(v_due, v_now)) - p_priority * p_ageing;
    v_lanes   bigint[] := array_fill(null::bigint, array[cardinality(p_ids)]);
    v_become  uuid[] := p_ids;
    v_patience constant text := current_setting('lock_timeout');
    v_fresh   uuid[];
    v_flow    uuid;
begin
    perform check_isolation();
    perform prepare_registration(p_app, p_queue, p_ids, v_now);
    if p_lane_keys is not null then
        v_lanes := share_lanes(p_app, p_queue, p_lane_keys, p_slots, p_rate, p_rate_period,
                               p_priority * p_ageing, p_must_not_wait, v_now, p_changed_by);
    end if;
    if p_registration_keys is not null then
        begin
            -- A session that is not ours may wait for ever by its own settings, which it gets back.
            if v_patience = '0' then
                perform set_config('lock_timeout', '10s', true);
            end if;
            v_become := reserve_keys(p_app, p_queue, v_now, v_due, v_expires, v_rank, p_must_not_wait,
                                     p_changed_by, p_ids, p_registration_keys, v_lanes);
            if v_patience = '0' then
                perform set_config('lock_timeout', '0', true);
            end if;
        exception when lock_not_available then
            raise exception 'a transaction that has not ended holds the registration key of a call of %', p_task
                using errcode = 'PN015', hint = 'Nothing of this call was written: call again when it has ended.';
        end;
    end if;

    if p_parent is not null and not p_own_workflow then
        select coalesce(i.workflow_id, p_parent) into v_flow from invocation i
        where i.invocation_id = p_parent;
    end if;
    with fresh as (
        insert into invocation (
            invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
            parent_id, depth, workflow_id, registered_at, registered_by, expires_at, retried_from)
        select c.id, p_app, p_task, c.call_id, c.arguments::json, p_options::json, p_queue,
               p_priority, p_parent, p_depth, v_flow, v_now, p_changed_by, v_expires, p_retried_from
        from unnest(p_ids, p_call_ids, p_arguments, v_become) c (id, call_id, arguments, become)
        where c.id = c.become
        on conflict (invocation_id) do nothing
        returning invocation_id
    )
    select array(select f.invocation_id from fresh f) into v_fresh;
    if cardinality(v_fresh) < cardinality(p_ids) and p_registration_keys is null then
        -- Written before, perhaps by a commit that still waits for a synchronous standby: reading waits
        -- for nothing, and the answer to this call is to mean as much as one to the first.
        perform pg_logical_emit_message(true, 'pynenc', '');
    end if;
    if p_registration_keys is null then
        insert into invocation_state (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait)
        select c.id, p_app, p_queue, 'registered', v_now, p_changed_by, v_rank, v_due, v_expires,
               c.lane, p_must_not_wait
        from unnest(p_ids, v_lanes) with ordinality c (id, lane, n)
        where cardinality(v_fresh) = cardinality(p_ids)
           or c.id = any (v_fresh) and c.n = array_position(p_ids, c.id);
    elsif p_refuse_different then
        perform refuse_different(p_task, p_ids, v_become, p_call_ids, p_arguments);
    end if;

    if v_fresh <> '{}' and exists (
        select from trigger_watch w where w.app_id = p_app and w.what = 'registered' and w.about = p_task
    ) then
        perform record_causes(v_fresh, array_fill(0, array[cardinality(v_fresh)]),
                              array_fill('registered'::text, array[cardinality(v_fresh)]),
                              array_fill(v_now, array[cardinality(v_fresh)]));
    end if;
    if p_lane_keys is not null and cardinality(v_fresh) < cardinality(p_ids) then
        perform forget_lanes(v_lanes);  -- made for calls that became other ones
    end if;
    if v_due is not null then
        perform notify(p_app, 'due', to_json(extract(epoch from v_due - v_now)));
    elsif not p_own_connection then
        perform notify(p_app, 'work');  -- until it is committed, others may fall asleep
    elsif somebody_idle(p_app, v_now) then
        perform rouse(p_app, p_queue, cardinality(p_ids));
    end if;
    return v_become;
end $$;
