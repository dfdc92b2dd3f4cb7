-- What an invocation was called with beside its arguments; no row if it is unknown.
create or replace function {schema}.get_call(p_app text, p_id uuid)
returns table (priority double precision, options text, retried_from uuid)
language plpgsql stable {definer} as $$
begin
    return query
    select i.priority::double precision, i.options::text, i.retried_from from invocation i
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;
