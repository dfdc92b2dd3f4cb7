-- Of a ready one, whether all places of the runners that serve its queue are taken, and how many come before
-- it, which is counted up to ten thousand (of what has another concurrency key nobody can say it). Internal to
-- why.
create or replace function {schema}.why_behind(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_most  constant integer := 10000;
    v_ahead bigint;
begin
    return query
    select 'runners_busy', json_build_object('queue', p_state.queue, 'runners', count(*),
                                             'places', sum(r.concurrency), 'taken', sum(h.taken))
    from runner r cross join lateral (
        select count(*) as taken from invocation_state s
        where s.runner_id = r.runner_id and s.runner_id is not null and s.status <> 'paused') h
    where r.app_id = p_state.app_id and r.dead_at is null and r.lease_until >= clock_timestamp()
      and (r.queues = '{}' or r.queues && array[p_state.queue, '*'])
    having bool_and(h.taken >= r.concurrency);

    select count(*) into v_ahead from (
        (select from invocation_state s
         where s.app_id = p_state.app_id and s.queue = p_state.queue and s.available and s.due_at is null
           and s.lane is null and p_state.awaited is null
           and (s.rank, s.invocation_id) < (p_state.rank, p_state.invocation_id) limit v_most + 1)
        union all
        (select from invocation_state s
         where s.app_id = p_state.app_id and s.queue = p_state.queue and s.awaited is not null
           and s.available and s.due_at is null and s.invocation_id <> p_state.invocation_id
           and case when p_state.awaited is null
                    then s.lane is not null or (s.rank, s.invocation_id) > (p_state.rank, p_state.invocation_id)
                    else (-s.awaited, s.rank, s.invocation_id)
                         < (-p_state.awaited, p_state.rank, p_state.invocation_id) end
         limit v_most + 1)
        union all
        (select from invocation_state s
         where s.lane = p_state.lane and s.lane is not null and s.available and s.due_at is null
           and s.awaited is null and p_state.awaited is null
           and (s.rank, s.invocation_id) < (p_state.rank, p_state.invocation_id) limit v_most + 1)) a;
    if v_ahead > 0 then
        return query select 'behind', json_strip_nulls(json_build_object(
            'queue', p_state.queue, 'ahead', least(v_ahead, v_most),
            'more', case when v_ahead > v_most then 'more than' end));
    end if;
end $$;
