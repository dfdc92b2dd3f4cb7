-- Makes one partition and gives it the triggers that it does not inherit. Internal.
create or replace function {schema}.make_partition(p_parent text, p_name text, p_from timestamptz)
returns void language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' as $$
declare
    v_by_day boolean := p_parent = 'invocation_history';
    v_column text := case when v_by_day then 'at' when p_parent = 'workflow_data' then 'workflow_id'
                              else 'invocation_id' end;
    v_until  timestamptz := p_from + case when v_by_day then interval '1 day' else interval '7 days' end;
    v_low    text := case when v_by_day then p_from::text else first_id(p_from)::text end;
    v_high   text := case when v_by_day then v_until::text else first_id(v_until)::text end;
begin
    execute format('create table %I (like %I including all)', p_name, p_parent);
    execute format('alter table %I add constraint bounds check (%I >= %L and %I < %L)',
                   p_name, v_column, v_low, v_column, v_high);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                   p_parent, p_name, v_low, v_high);
    execute format('alter table %I drop constraint bounds', p_name);
    execute format('create trigger guard_truncate before truncate on %I '
                   'for each statement execute function refuse_change()', p_name);
    if v_by_day then  -- without a key: it could not be pruned where somebody publishes all tables
        execute format('alter table %I replica identity full', p_name);
    end if;
    if p_parent = 'invocation_outcome' then
        execute format('create trigger guard_outcome after insert on %I '
                       'referencing new table as new_rows '
                       'for each statement execute function guard_outcome()', p_name);
    end if;
end $$;
