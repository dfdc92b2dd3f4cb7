-- Makes ready what is due; answers how many, and in how many seconds the next is due.
-- Moves nothing: due_at is cleared. Locks: rows by their time (skip locked).
create or replace function {schema}.promote(
    p_app text, p_limit integer, out promoted integer, out next_due double precision
) language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    with due as materialized (
        select s.invocation_id from invocation_state s
        where s.app_id = p_app and s.due_at <= v_now
        order by s.due_at limit p_limit for no key update skip locked
    )
    update invocation_state s set due_at = null, previous_status = s.status
    from due d where s.invocation_id = d.invocation_id;
    get diagnostics promoted = row_count;
    if promoted > 0 then
        perform notify(p_app, 'work');
    end if;
    select case when s.due_at > v_now then extract(epoch from s.due_at - v_now) else 0 end into next_due
    from invocation_state s where s.app_id = p_app and s.due_at is not null
    order by s.due_at limit 1;
end $$;
