-- Makes the partitions up to 14 days ahead that are not there yet. Internal; one at a time.
-- CREATE, CHECK, ATTACH: writers of the parent are not blocked. Raises nothing of its own.
create or replace function {schema}.ensure_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' as $$
declare
    v_parent text;
    v_name   text;
    v_from   timestamptz;
    v_made   text[] := '{}';
    v_today  timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    v_week   timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
begin
    perform pg_advisory_xact_lock(lock_space(), -2);
    for v_parent, v_from in
        select 'invocation_history', v_today + d * interval '1 day' from generate_series(-1, 14) d
        union all
        select p, v_week + w * interval '7 days'
        from unnest(array['invocation', 'invocation_outcome', 'invocation_error', 'payload_ref', 'workflow',
                          'workflow_step', 'workflow_data']) p,
             generate_series(-1, 3) w
        union all
        -- Invocations of former weeks run and end in this one.
        select p, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits h join pg_class c on c.oid = h.inhrelid
        cross join unnest(array['payload_ref', 'workflow', 'workflow_step', 'workflow_data']) p
        where h.inhparent = '{schema}.invocation'::regclass
    loop
        v_name := partition_name(v_parent, v_from);
        continue when to_regclass(v_name) is not null;
        perform make_partition(v_parent, v_name, v_from);
        v_made := v_made || v_name;
    end loop;
    return v_made;
end $$;
