-- The latest invocations of an app that fit, newest first, older than p_before: for people. It looks at some
-- thousand at a time, and stops when it has p_limit of them, or after p_patience; a last row, with looked_to
-- alone, then says how far it has looked, so that whoever asks may go on from there.
-- p_filter: statuses, task, queue, from and to (of the call), ended_after (or not ended), argument and error
-- (any of these texts, in lower case). Reads only by primary keys, whatever is asked for.
create or replace function {schema}.find_invocations(
    p_app text, p_filter json, p_before uuid, p_limit integer, p_patience interval
) returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, runner_id text, arguments text,
    error_type text, error text, retries integer, parent_id uuid, registered_at timestamptz,
    status_at timestamptz, finished_at timestamptz, due_at timestamptz, looked_to uuid
) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_until    constant timestamptz := clock_timestamp() + p_patience;
    v_statuses constant text[] := array(select json_array_elements_text(p_filter->'statuses'));
    v_words    constant text[] := array(select json_array_elements_text(p_filter->'argument'));
    v_errors   constant text[] := array(select json_array_elements_text(p_filter->'error'));
    v_task     constant text := p_filter->>'task';
    v_queue    constant text := p_filter->>'queue';
    v_after    constant timestamptz := p_filter->>'ended_after';
    v_from     constant uuid := coalesce(first_id((p_filter->>'from')::timestamptz),
                                         '00000000-0000-0000-0000-000000000000');
    v_final    constant boolean := v_errors <> '{}' or v_statuses <> '{}' and v_statuses
                                   <@ array['success', 'failed', 'concurrency_controlled_final'];
    v_live     constant boolean := v_statuses <> '{}' and not v_statuses
                                   && array['success', 'failed', 'concurrency_controlled_final'];
    v_before   uuid := least(p_before, first_id((p_filter->>'to')::timestamptz),
                             'ffffffff-ffff-ffff-ffff-ffffffffffff');
    v_left     integer := p_limit;
    v_chunk    integer := 2 * p_limit;
    v_found    integer;
    v_seen     uuid[];
    v_fit      uuid[];
begin
    loop
        if v_live then
            select array_agg(x.id), array_agg(x.id) filter (where x.fits) into v_seen, v_fit from (
                select s.invocation_id as id, s.app_id = p_app and s.status::text = any (v_statuses) as fits
                from invocation_state s where s.invocation_id < v_before and s.invocation_id >= v_from
                order by s.invocation_id desc limit v_chunk) x;
        elsif v_final then
            select array_agg(x.id), array_agg(x.id) filter (where x.fits) into v_seen, v_fit from (
                select o.invocation_id as id, o.app_id = p_app
                       and (v_statuses = '{}' or o.status::text = any (v_statuses))
                       and (v_errors = '{}' or o.status = 'failed' and exists (
                           select from unnest(v_errors) e where strpos(lower(o.value::text), e) > 0)) as fits
                from invocation_outcome o where o.invocation_id < v_before and o.invocation_id >= v_from
                order by o.invocation_id desc limit v_chunk) x;
        else
            select array_agg(x.id), array_agg(x.id) filter (where x.fits) into v_seen, v_fit from (
                select i.invocation_id as id,
                       i.app_id = p_app and (v_task is null or i.task_id = v_task) as fits
                from invocation i where i.invocation_id < v_before and i.invocation_id >= v_from
                order by i.invocation_id desc limit v_chunk) x;
        end if;
        return query
        select i.invocation_id, i.task_id, i.queue, coalesce(o.status, s.status)::text,
               coalesce(o.reason, s.reason), coalesce(o.runner_id, s.runner_id), i.arguments::text,
               case when o.status = 'failed' then o.value->>'type' end,
               case when o.status = 'failed' then left(o.value->>'message', 300) end,
               coalesce(o.retries, s.retries), i.parent_id, i.registered_at,
               coalesce(o.finished_at, s.status_at), o.finished_at, s.due_at, null::uuid
        from unnest(v_fit) with ordinality u (id, n)
        cross join lateral (select * from invocation c where c.invocation_id = u.id offset 0) i
        left join lateral (select * from invocation_state c where c.invocation_id = u.id offset 0) s on true
        left join lateral (select * from invocation_outcome c where c.invocation_id = u.id offset 0) o on true
        where (v_task is null or i.task_id = v_task) and (v_queue is null or i.queue = v_queue)
          and (v_statuses = '{}' or coalesce(o.status, s.status)::text = any (v_statuses))
          and (v_after is null or o.finished_at is null or o.finished_at >= v_after)
          and (v_words = '{}' or exists (
              select from unnest(v_words) w where strpos(lower(i.arguments::text), w) > 0))
        order by u.n limit v_left;
        get diagnostics v_found = row_count;
        v_left := v_left - v_found;
        exit when v_left <= 0 or coalesce(cardinality(v_seen), 0) < v_chunk;
        v_before := v_seen[v_chunk];
        if clock_timestamp() > v_until then
            looked_to := v_before;
            return next;
            exit;
        end if;
        v_chunk := least(2 * v_chunk, 4000);
    end loop;
end $$;
