-- Every status change of one invocation, oldest first.
create or replace function {schema}.history(p_app text, p_id uuid)
returns table (rev integer, previous_status text, status text, reason text, runner_id text,
               changed_by text, at timestamptz)
language plpgsql stable {definer} as $$
begin
    return query
    select h.rev, h.previous_status::text, h.status::text, h.reason, h.runner_id, h.changed_by, h.at
    from invocation_history h where h.invocation_id = p_id and h.app_id = p_app
    order by h.rev;
end $$;
