-- Accepts calls of one task, all or none; returns the id each became: that of an equal call which
-- succeeded in the p_ttl seconds (null: however long ago) before this one may begin, where there is
-- one. The others are registered, and may serve later calls. With p_key, of one call, that comes first.
-- Moves: (new) -> registered. Locks: those of register_once, whose parameters follow p_ttl; no call
-- waits for one that is equal. Raises: as register_once.
create or replace function {schema}.register_cached(
    p_key text, p_ttl double precision,
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean,
    p_ageing double precision default 60, p_rate integer default null,
    p_rate_period double precision default null, p_at timestamptz default null,
    p_own_workflow boolean default false
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now    constant timestamptz := clock_timestamp();
    v_begins constant timestamptz :=
        greatest(v_now, p_at, v_now + make_interval(secs => coalesce(p_delay, 0)));
    v_first  uuid;
    v_become uuid[];
    v_made   uuid[];
    v_call   record;
begin
    perform check_isolation();
    if p_key is not null then
        v_first := reserve_call(p_app, p_task, p_key, p_ids[1]);
        if v_first is not null then
            return array[v_first];
        end if;
    end if;
    v_become := recall(p_app, p_task, p_ids, p_call_ids, v_begins - make_interval(secs => p_ttl));
    if array_position(v_become, null) is not null then
        select array_agg(c.id order by c.n) as ids, array_agg(c.call_id order by c.n) as call_ids,
               array_agg(c.arguments order by c.n) as arguments,
               array_agg(c.key order by c.n) as keys, array_agg(c.lane order by c.n) as lanes
        into v_call
        from unnest(p_ids, p_call_ids, p_arguments, p_registration_keys, p_lane_keys, v_become)
                 with ordinality c (id, call_id, arguments, key, lane, become, n)
        where c.become is null;
        v_made := register_2(
            p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots, p_must_not_wait,
            p_parent, p_depth, p_options, p_changed_by, p_own_connection, v_call.ids, v_call.call_ids,
            v_call.arguments, case when p_registration_keys is not null then v_call.keys end,
            case when p_lane_keys is not null then v_call.lanes end, p_refuse_different, p_ageing,
            p_rate, p_rate_period, p_at, p_own_workflow => p_own_workflow);
        select array_agg(coalesce(b.id, v_made[b.k]) order by b.n) into v_become
        from (select u.id, u.n, count(*) filter (where u.id is null) over (order by u.n) as k
              from unnest(v_become) with ordinality u (id, n)) b;
        -- One that was taken by its registration key has a call of its own.
        select array_agg(c.id) as ids, array_agg(c.call_id) as call_ids into v_call
        from unnest(v_call.ids, v_call.call_ids, v_made) c (id, call_id, become) where c.id = c.become;
        if v_call.ids is not null then
            perform remember_calls(p_app, p_task, v_call.ids, v_call.call_ids);
        end if;
    end if;
    if p_key is not null and v_become[1] <> p_ids[1] then
        update call_key k set invocation_id = v_become[1]
        where k.app_id = p_app and k.task_id = p_task and k.key = p_key;
    end if;
    return v_become;
end $$;
