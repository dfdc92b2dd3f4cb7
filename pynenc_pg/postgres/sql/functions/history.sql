-- Every status change of one invocation, oldest first, each with the exception that caused it:
-- of an attempt that is tried again, and of the one that failed.
create or replace function {schema}.history(p_app text, p_id uuid)
returns table (rev integer, previous_status text, status text, reason text, runner_id text,
               changed_by text, at timestamptz, error text)
language plpgsql stable {definer} as $$
begin
    return query
    select h.rev, h.previous_status::text, h.status::text, h.reason, h.runner_id,
           coalesce(h.changed_by, h.runner_id), h.at, coalesce(e.error, o.value)::text
    from invocation_history h
    left join invocation_error e on e.invocation_id = p_id and e.rev = h.rev
    left join invocation_outcome o
           on o.invocation_id = p_id and o.rev = h.rev and o.status = 'failed'
    where h.invocation_id = p_id and h.app_id = p_app
    order by h.rev;
end $$;
