-- Accepts one call of a task under an idempotency key; returns, as an array, the id it became: that
-- of the first call with the key, whatever has become of it, or its own.
-- Moves: (new) -> registered. Locks: the key, then as register_2, whose parameters it has.
-- Raises: as register_2; PN015 also where a transaction that does not end holds the key.
create or replace function {schema}.register_once(
    p_key text,
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
    v_first  uuid;
    v_become uuid[];
begin
    perform check_isolation();
    v_first := reserve_call(p_app, p_task, p_key, p_ids[1]);
    if v_first is not null then
        return array[v_first];
    end if;
    v_become := register_2(
        p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots, p_must_not_wait,
        p_parent, p_depth, p_options, p_changed_by, p_own_connection, p_ids, p_call_ids,
        p_arguments, p_registration_keys, p_lane_keys, p_refuse_different, p_ageing, p_rate,
        p_rate_period, p_at, p_own_workflow => p_own_workflow);
    if v_become[1] <> p_ids[1] then
        update call_key k set invocation_id = v_become[1]
        where k.app_id = p_app and k.task_id = p_task and k.key = p_key;
    end if;
    return v_become;
end $$;
