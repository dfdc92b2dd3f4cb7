-- What keeps an invocation from being ready: nobody can take it, its time, an event, a pause. Internal to why.
create or replace function {schema}.why_later(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
begin
    if p_state.due_at is null then
        return;
    end if;
    return query
    select 'set_aside', json_strip_nulls(json_build_object(
        'cause', a.cause, 'missing', nullif(a.missing, '{}'), 'unknown', nullif(a.unknown, '{}'),
        'refused_by', a.refused_by, 'since', utc_text(a.since)))
    from (select * from aside x where x.invocation_id = p_state.invocation_id offset 0) a where a.freed_at is null;
    if found then
        return;
    end if;
    return query
    select 'workflow_paused', json_strip_nulls(json_build_object(
        'reason', nullif(w.pause_reason, ''), 'since', utc_text(w.paused_at)))
    from workflow w where w.invocation_id = p_state.invocation_id and w.paused_at is not null;
    if p_state.reason = 'event' then
        return query
        select 'waits_for_event', json_strip_nulls(json_build_object(
            'events', coalesce(json_agg(w.code order by w.path), '[]'), 'until', utc_text(min(w.until))))
        from workflow_wait w where w.invocation_id = p_state.invocation_id;
    elsif p_state.due_at <= clock_timestamp() then
        return query select 'due', json_build_object('due_at', utc_text(p_state.due_at));
    elsif p_state.reason = 'sleeping' then
        return query select 'asleep', json_build_object('until', utc_text(p_state.due_at));
    elsif p_state.reason is distinct from 'paused' then
        return query select 'due_later', json_strip_nulls(json_build_object(
            'due_at', utc_text(p_state.due_at), 'reason', p_state.reason));
    end if;
end $$;
