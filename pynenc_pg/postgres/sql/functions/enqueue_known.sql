-- Registers one call of a known task, by the task's options where nothing else is said; answers its id, or
-- that of the invocation it became: with a key, what the first call with it became. Always notifies, at the
-- commit. Internal to enqueue and retry. Raises: as reserve_call, call_keys and register_2.
create or replace function {schema}.enqueue_known(
    p_task {schema}.task, p_arguments json, p_queue text, p_priority double precision, p_delay interval,
    p_at timestamptz, p_expires interval, p_options json, p_retried_from uuid,
    p_key text default null
) returns uuid language plpgsql as $$
declare
    v_conf      constant json := p_task.options;
    v_arguments constant text := p_arguments::text;
    v_id        constant uuid := new_id();
    v_become    uuid;
    v_keys      record;
begin
    if p_key is not null then
        v_become := reserve_call(p_task.app_id, p_task.task_id, p_key, v_id);
        if v_become is not null then
            return v_become;
        end if;
    end if;
    select * into v_keys from call_keys(p_task, p_arguments);
    v_become := (register_2(
        p_task.app_id, p_task.task_id, coalesce(p_queue, v_conf->>'queue'),
        coalesce(p_priority, (v_conf->>'priority')::double precision),
        extract(epoch from p_delay)::double precision,
        coalesce(extract(epoch from p_expires)::double precision, (v_conf->>'expires')::double precision),
        (v_conf->>'slots')::integer, (v_conf->>'must_not_wait')::boolean, null, 0, p_options::text,
        'sql', false, array[v_id],
        array[coalesce(v_keys.call_id, left(encode(sha256(convert_to(
            p_task.task_id || e'\n' || v_arguments, 'UTF8')), 'hex'), 32))],
        array[v_arguments],
        case when v_keys.registration is not null then array[v_keys.registration] end,
        case when v_keys.running is not null then array[v_keys.running] end,
        v_keys.call_id is not null, (v_conf->>'ageing')::double precision, (v_conf->>'rate')::integer,
        (v_conf->>'rate_period')::double precision, p_at, p_retried_from))[1];
    if p_key is not null and v_become <> v_id then
        update call_key k set invocation_id = v_become
        where k.app_id = p_task.app_id and k.task_id = p_task.task_id and k.key = p_key;
    end if;
    return v_become;
end $$;
