-- Runs again what has ended, as a new invocation with the same task, arguments, queue, priority and
-- options, and retried_from: for psql, triggers and other languages. Answers the new one's id.
-- Moves: (new) -> registered. Locks: the old one against its removal, then those of register_2.
-- Raises: PN014 nobody knows it, PN024 it has not ended; PN020, PN021, PN023 as enqueue, for the task as
-- it is now.
create or replace function {schema}.retry(id uuid)
returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_old  {schema}.invocation;
    v_task {schema}.task;
    v_new  uuid;
begin
    perform check_isolation();
    select i.* into v_old from invocation i where i.invocation_id = id for key share;
    if not found then
        raise exception 'no invocation %', id
            using errcode = 'PN014', hint = 'It was never registered, was purged, or is past its retention.';
    elsif not exists (select from invocation_outcome o where o.invocation_id = id) then
        raise exception 'invocation % of % has not ended', id, v_old.task_id
            using errcode = 'PN024', hint = 'Wait for its end, or call cancel first.';
    end if;
    v_task := find_task(v_old.app_id, v_old.task_id);
    perform check_call(v_task, v_old.arguments);
    v_new := enqueue_known(v_task, v_old.arguments, v_old.queue, v_old.priority, null, null, null,
                           v_old.options, id);
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct v_old.app_id, decode(a.value->>'$ref', 'hex'), v_new from json_each(v_old.arguments) a
    where json_typeof(a.value) = 'object' and a.value->>'$ref' ~ '^[0-9a-f]{64}$'
    order by 2 on conflict do nothing;
    return v_new;
end $$;
