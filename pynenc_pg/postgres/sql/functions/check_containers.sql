-- Refuses what is given for *args and is no array, and what is given for **kwargs and is no object; and
-- names that begin with $, which are not for parameters. Internal to enqueue. Raises: PN021.
create or replace function {schema}.check_containers(p_task {schema}.task, p_arguments json) returns void
language plpgsql stable as $$
declare
    v_name text;
begin
    select a.key into v_name
    from json_each(p_arguments) a
    left join json_array_elements(p_task.parameters) e on e->>'name' = a.key
    where a.key like '$%'
       or e->>'kind' = 'var_positional' and json_typeof(a.value) <> 'array'
       or e->>'kind' = 'var_keyword' and json_typeof(a.value) <> 'object'
    limit 1;
    if found then
        raise exception '% cannot be called like that: % must be %', p_task.task_id, v_name,
                case when v_name like '$%' then 'left out' else 'an array if it stands for *, an object if it stands for **' end
            using errcode = 'PN021', hint = 'Its other parameters are given by name.';
    end if;
end $$;
