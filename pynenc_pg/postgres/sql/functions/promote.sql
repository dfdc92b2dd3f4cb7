-- Makes ready what is due, and opens lanes whose rate limit lets the next one start; answers how much
-- work there was, and in how many seconds the next is due.
-- Moves nothing: due_at and next_at are cleared. Locks: lanes and rows by their time (skip locked), then
-- as wake_workflows.
create or replace function {schema}.promote(
    p_app text, p_limit integer, out promoted integer, out next_due double precision
) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_next  timestamptz;
    v_lanes bigint[];
begin
    perform check_isolation();
    v_lanes := array(select l.lane_id from lane l where l.app_id = p_app and l.next_at <= v_now
                     order by l.next_at limit p_limit for no key update skip locked);
    if v_lanes <> '{}' then
        update lane l set next_at = null where l.lane_id = any (v_lanes);
    end if;
    with due as materialized (
        select s.invocation_id from invocation_state s
        where s.app_id = p_app and s.due_at <= v_now
        order by s.due_at limit p_limit for no key update skip locked
    )
    update invocation_state s set due_at = null, previous_status = s.status
    from due d where s.invocation_id = any (array[d.invocation_id]);
    get diagnostics promoted = row_count;
    promoted := promoted + wake_workflows(p_app, p_limit);
    if promoted > 0 or v_lanes <> '{}' then
        perform rouse(p_app, null, promoted + cardinality(v_lanes));
    end if;
    v_next := least(
        (select s.due_at from invocation_state s where s.app_id = p_app and s.due_at is not null
         order by s.due_at limit 1),
        (select l.next_at from lane l where l.app_id = p_app and l.next_at is not null
         order by l.next_at limit 1));
    next_due := case when v_next > v_now then extract(epoch from v_next - v_now)
                     when v_next is not null then 0 end;
end $$;
