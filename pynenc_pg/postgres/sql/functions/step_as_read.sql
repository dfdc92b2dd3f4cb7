-- Steps of a run as their readers want them, in the order in which they were written: all, or the one at a
-- path. Internal.
create or replace function {schema}.step_as_read(
    p_id uuid, p_path text default null, p_run integer default null
) returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql stable as $$
begin
    return query
    select s.path, s.run, s.kind, s.about, s.value::text, s.at, s.retries,
           coalesce(s.survived, '{}'), s.key, s.event_id, s.child_id,
           exists (select from invocation_outcome o
                   where o.invocation_id = s.child_id and o.status <> 'success' offset 0),
           case s.kind
               when 'sleep' then extract(epoch from (s.value#>>'{}')::timestamptz - clock_timestamp())
               when 'pause' then (select 100 * 365.25 * 86400 from workflow w
                                  where w.invocation_id = p_id and w.paused_at is not null)
           end::double precision
    from workflow_step s
    where s.invocation_id = p_id
      and (p_path is null or s.path = p_path) and (p_run is null or s.run = p_run)
    order by s.step_id;
end $$;
