-- What stands between an invocation that nobody holds and its being taken. Internal to why.
create or replace function {schema}.why_not_taken(
    p_call {schema}.invocation, p_state {schema}.invocation_state
) returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_said    boolean;
    v_expired constant boolean := coalesce(p_state.expires_at <= clock_timestamp(), false);
begin
    if v_expired then
        return query select 'expired', json_build_object('expires_at', utc_text(p_state.expires_at));
    end if;
    return query select * from why_later(p_state);
    v_said := found or v_expired;
    return query select * from why_untakable(p_call, p_state);
    v_said := v_said or found;
    if p_state.due_at is null then
        return query select * from why_keyed(p_state);
        v_said := v_said or found;
    end if;
    if not v_said then
        return query select * from why_behind(p_state);
        v_said := found;
    end if;
    if not v_said then
        return query select 'ready', json_build_object('queue', p_state.queue);
    end if;
    if p_state.expires_at is not null and not v_expired then
        return query select 'expires', json_build_object('expires_at', utc_text(p_state.expires_at));
    end if;
end $$;
