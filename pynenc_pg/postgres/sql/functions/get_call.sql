-- What an invocation was called with beside its arguments, and the lease of its owner, which proves to the
-- verbs of workers alone that it is theirs; no row if it is unknown.
create or replace function {schema}.get_call(p_app text, p_id uuid)
returns table (priority double precision, options text, retried_from uuid, lease bigint)
language plpgsql stable {definer} as $$
begin
    return query
    select i.priority::double precision, i.options::text, i.retried_from, s.lease
    from invocation i left join invocation_state s on s.invocation_id = i.invocation_id
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;
