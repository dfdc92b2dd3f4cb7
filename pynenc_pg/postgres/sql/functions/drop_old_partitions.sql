-- Drops one partition per table that is past its retention (that of the app which keeps longest), and
-- only if nothing of it has ended since, nor any live row or wait points into it (such a one is
-- passed over, the next may go). What invocations refer to stays as long as anything of them.
-- Internal to maintain.
-- Gives up after 200 ms of waiting for its lock, and tries again next time.
create or replace function {schema}.drop_old_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' set lock_timeout = '200ms' as $$
declare
    v_name   text;
    v_parent text;
    v_from   timestamptz;
    v_kept   interval;
    v_ages   interval;
    v_now    timestamptz := clock_timestamp();
    v_gone   text[] := '{}';
    v_did    text[] := '{}';
begin
    select make_interval(secs => coalesce(max(coalesce(r.finished, 604800)), 604800)),
           make_interval(secs => coalesce(max(coalesce(r.history, 2592000)), 2592000))
    into v_kept, v_ages
    from (select q.app_id from queue q union select r.app_id from retention r) a
    left join retention r
           on r.app_id = a.app_id and r.told_at > v_now - make_interval(secs => r.history);
    for v_name, v_parent, v_from in
        select c.relname, p.relname, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_class p on p.oid = h.inhparent
        where p.relnamespace = '{schema}'::regnamespace and p.relkind = 'p' and c.relkind = 'r'
        order by p.relname, c.relname
    loop
        continue when v_parent = any (v_gone);
        continue when v_from + case when v_parent = 'invocation_history' then interval '1 day' + v_ages
                               else interval '7 days' + v_kept end > v_now;
        -- ensure_partitions would make it again.
        continue when v_from >= case when v_parent = 'invocation_history' then date_trunc('day', v_now, 'UTC') - interval '1 day'
                                else date_trunc('week', v_now, 'UTC') - interval '7 days' end;
        continue when v_parent <> 'invocation_history'
                      and (pointed_into(v_from, v_from + interval '7 days')
                           or ended_since(v_from, v_from + interval '7 days', v_now - v_kept));
        -- They come last by their names.
        continue when v_parent not like 'invocation%' and exists (
            select from unnest(array['invocation', 'invocation_outcome', 'invocation_error']) p
            where to_regclass(partition_name(p, v_from)) is not null);
        begin
            v_gone := v_gone || v_parent;
            execute format('drop table %I', v_name);
            if v_parent = 'invocation' then
                delete from call_key k where k.invocation_id >= first_id(v_from)
                                         and k.invocation_id < first_id(v_from + interval '7 days');
                delete from call_result r where r.invocation_id >= first_id(v_from)
                                            and r.invocation_id < first_id(v_from + interval '7 days');
            end if;
            v_did := v_did || ('dropped ' || v_name);
        exception when lock_not_available then
            v_did := v_did || ('busy, later: ' || v_name);
        end;
    end loop;
    return v_did;
end $$;
