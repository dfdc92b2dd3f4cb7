-- What a runner holds now, the longest first: for people.
create or replace function {schema}.held_by(p_app text, p_runner text, p_limit integer)
returns table (invocation_id uuid, task_id text, status text, status_at timestamptz, arguments text)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select s.invocation_id, i.task_id, s.status::text, s.status_at, i.arguments::text
    from (select * from invocation_state h where h.runner_id = p_runner limit p_limit) s
    cross join lateral (select * from invocation c where c.invocation_id = s.invocation_id offset 0) i
    where s.app_id = p_app
    order by s.status_at;
end $$;
