-- As retry, with other arguments: those of p_changed, which are plain JSON and nothing else, whichever
-- serializer the task has, and those of p_kept as they were. What is in neither is left out.
-- Moves: (new) -> registered. Locks: the old one against its removal, then those of register_2.
-- Raises: PN014 nobody knows it, PN024 it has not ended; PN020, PN021, PN023 as enqueue.
create or replace function {schema}.retry_with(p_app text, p_id uuid, p_changed text, p_kept text[])
returns uuid language plpgsql {definer} as $$
declare
    v_changed   constant json := p_changed::json;
    v_old       {schema}.invocation;
    v_task      {schema}.task;
    v_arguments json;
    v_new       uuid;
begin
    perform check_isolation();
    select i.* into v_old from invocation i where i.invocation_id = p_id and i.app_id = p_app
    for key share;
    if not found then
        raise exception 'no invocation %', p_id
            using errcode = 'PN014', hint = 'It was never registered, was purged, or is past its retention.';
    elsif not exists (select from invocation_outcome o where o.invocation_id = p_id) then
        raise exception 'invocation % of % has not ended', p_id, v_old.task_id
            using errcode = 'PN024', hint = 'Wait for its end, or call cancel first.';
    elsif json_typeof(v_changed) <> 'object' then
        raise exception 'the arguments of % must be a JSON object, not %', v_old.task_id, json_typeof(v_changed)
            using errcode = 'PN021', hint = 'Give them by name: {"x": 1}.';
    end if;
    v_task := find_task(p_app, v_old.task_id);
    perform check_containers(v_task, v_changed);
    select '{' || coalesce(string_agg(to_json(a.key)::text || ':' || a.value::text, ','), '') || '}'
    into v_arguments
    from (select e.key, e.value from json_each(v_old.arguments) e where e.key = any (p_kept)
          union all
          select c.key, plain_wire(c.value) from json_each(v_changed) c where c.key <> all (p_kept)) a;
    perform check_call(v_task, v_arguments);
    v_new := enqueue_known(v_task, v_arguments, v_old.queue, v_old.priority, null, null, null,
                           v_old.options, p_id);
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct p_app, decode(a.value->>'$ref', 'hex'), v_new
    from json_each(v_old.arguments) a
    where a.key = any (p_kept) and json_typeof(a.value) = 'object' and a.value->>'$ref' ~ '^[0-9a-f]{64}$'
    order by 2 on conflict do nothing;
    return v_new;
end $$;
