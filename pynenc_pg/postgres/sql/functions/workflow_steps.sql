-- All that stands written of a run, in the order in which it was.
create or replace function {schema}.workflow_steps(p_app text, p_id uuid)
returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql stable {definer} as $$
begin
    return query
    select s.* from step_as_read(p_id) s
    where exists (select from invocation i where i.invocation_id = p_id and i.app_id = p_app);
end $$;
