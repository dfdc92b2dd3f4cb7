-- An invocation with those that it was called by (level below 0) and those called below it, the nearest
-- first, p_limit of them at most: for people.
create or replace function {schema}.family(p_app text, p_id uuid, p_limit integer)
returns table (
    invocation_id uuid, parent_id uuid, level integer, task_id text, status text, reason text,
    registered_at timestamptz, finished_at timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_ids    uuid[] := array[p_id];
    v_levels integer[] := array[0];
    v_front  uuid[] := array[p_id];
    v_up     uuid := p_id;
    v_level  integer := 0;
begin
    for v_step in 1..50 loop
        select i.parent_id into v_up from invocation i where i.invocation_id = v_up and i.app_id = p_app;
        exit when v_up is null;
        v_ids := v_up || v_ids;
        v_levels := -v_step || v_levels;
    end loop;
    while cardinality(v_front) > 0 and cardinality(v_ids) < p_limit loop
        v_level := v_level + 1;
        v_front := array(
            select c.invocation_id from unnest(v_front) with ordinality u (id, n)
            cross join lateral (
                select c.invocation_id from invocation c where c.parent_id = u.id offset 0) c
            limit p_limit - cardinality(v_ids));
        v_ids := v_ids || v_front;
        v_levels := v_levels || array_fill(v_level, array[cardinality(v_front)]);
    end loop;
    return query
    select i.invocation_id, i.parent_id, u.level, i.task_id, coalesce(o.status, s.status)::text,
           coalesce(o.reason, s.reason), i.registered_at, o.finished_at
    from unnest(v_ids, v_levels) with ordinality u (id, level, n)
    cross join lateral (select * from invocation c where c.invocation_id = u.id offset 0) i
    left join lateral (select * from invocation_state c where c.invocation_id = u.id offset 0) s on true
    left join lateral (select * from invocation_outcome c where c.invocation_id = u.id offset 0) o on true
    where i.app_id = p_app
    order by u.n;
end $$;
