-- How these ended; live and unknown ones are left out.
create or replace function {schema}.outcomes(p_app text, p_ids uuid[])
returns table (invocation_id uuid, status text, value text, reason text, runner_id text, finished_at timestamptz)
language plpgsql stable {definer} as $$
begin
    return query
    select o.invocation_id, o.status::text, o.value::text, o.reason, o.runner_id, o.finished_at
    from unnest(p_ids) i (id) cross join lateral (
        select * from invocation_outcome o where o.invocation_id = i.id offset 0) o
    where o.app_id = p_app;
end $$;
