-- What a runner does with an invocation that it holds, and whether it is believed alive. Internal to why.
create or replace function {schema}.why_held(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_health text;
    v_since  timestamptz;
begin
    select case when r.dead_at is not null then 'declared dead'
                when r.lease_until < clock_timestamp() then 'its lease is over'
                when r.lock_gone_at is not null then 'its session is gone' end,
           coalesce(r.dead_at, case when r.lease_until < clock_timestamp() then r.lease_until end, r.lock_gone_at)
    into v_health, v_since from runner r where r.runner_id = p_state.runner_id;
    if not found then
        v_health := 'nobody knows it';
    end if;
    if v_health is not null then
        code := case when v_health = 'its session is gone' then 'runner_suspect' else 'runner_dead' end;
        facts := json_strip_nulls(json_build_object(
            'runner_id', p_state.runner_id, 'health', v_health, 'since', utc_text(v_since)));
        return next;
        if not exists (select from runner r where r.app_id = p_state.app_id and r.dead_at is null
                       and r.lease_until >= clock_timestamp() and r.runner_id <> p_state.runner_id) then
            code := 'nobody_recovers';
            facts := '{}';
            return next;
        end if;
    end if;
    if p_state.cancel_requested_at is not null then
        code := 'cancelling';
        facts := '{}';
        return next;
    end if;
    facts := json_build_object('runner_id', p_state.runner_id, 'since', utc_text(p_state.status_at));
    if p_state.status = 'paused' then
        code := 'waits_for_others';
        facts := (
            select json_build_object(
                'runner_id', p_state.runner_id, 'since', utc_text(p_state.status_at),
                'awaited', coalesce(json_agg(e.awaited_id order by e.edge_id), '[]'),
                'statuses', coalesce(json_agg(s.status order by e.edge_id), '[]'),
                'one_of', coalesce(bool_or(e.needed = 2), false))
            from (select * from wait_edge w
                  where w.waiter_id = p_state.invocation_id and w.needed > 0 order by w.edge_id limit 100) e
            left join lateral (select s.status from invocation_state s
                               where s.invocation_id = e.awaited_id offset 0) s on true);
    elsif p_state.status = 'pending' then
        code := 'claimed';
    else
        code := 'running';
    end if;
    return next;
end $$;
