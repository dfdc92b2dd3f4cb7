-- Refuses arguments that a task cannot take. Internal to enqueue and retry.
-- Raises: PN021 names that do not fit.
create or replace function {schema}.check_call(p_task {schema}.task, p_arguments json) returns void
language plpgsql stable as $$
declare
    v_missing text[];
    v_unknown text[];
begin
    select m.missing, m.unknown into v_missing, v_unknown
    from misfit(p_task.parameters, array(select json_object_keys(p_arguments))) m;
    if v_missing <> '{}' or v_unknown <> '{}' then
        raise exception '% cannot be called like that:%', p_task.task_id,
                coalesce(' missing ' || nullif(array_to_string(v_missing, ', '), ''), '')
                || coalesce(' unknown ' || nullif(array_to_string(v_unknown, ', '), ''), '')
            using errcode = 'PN021',
                  hint = 'Its parameters: ' || coalesce((
                      select string_agg(e->>'name' || case when (e->>'required')::boolean then '' else ' (may be left out)' end, ', ')
                      from json_array_elements(p_task.parameters) e), 'none') || '.';
    end if;
end $$;
