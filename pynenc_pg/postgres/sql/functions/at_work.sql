-- What runners hold, the longest first: for people. since: of its status.
create or replace function {schema}.at_work(p_app text, p_limit integer)
returns table (
    invocation_id uuid, task_id text, status text, runner_id text, since timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, i.task_id, h.status, h.runner_id, h.status_at
    from (
        select s.invocation_id, s.status::text as status, s.runner_id, s.status_at
        from runner r cross join lateral (
            select * from invocation_state x
            where x.runner_id = r.runner_id and x.runner_id is not null offset 0) s
        where r.app_id = p_app
        order by s.status_at, s.invocation_id limit p_limit) h
    cross join lateral (select c.task_id from invocation c where c.invocation_id = h.invocation_id offset 0) i
    order by h.status_at, h.invocation_id;
end $$;
