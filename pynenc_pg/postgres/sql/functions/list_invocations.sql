-- The latest invocations of an app that fit a filter, newest first, older than p_before: for people. It looks
-- at some thousand at a time by an index, and stops when it has p_limit of them, or after p_patience; then a
-- last row, with looked_to alone, says from where to go on.
-- p_filter: task, queue, statuses, since and until (of the call), arguments (an object: as ->> gives them), runner,
-- parent, workflow, error (a part of its text, in lower case), containing (any of these texts in the arguments, in
-- lower case), ended_after (or not ended); masked and masked_inside: what the name of an argument, or its value,
-- must not look like to be searched.
create or replace function {schema}.list_invocations(
    p_app text, p_filter json, p_before uuid, p_limit integer, p_patience interval
) returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, runner_id text, arguments text,
    error text, retries integer, recoveries integer, parent_id uuid, workflow_id uuid,
    registered_at timestamptz, status_at timestamptz, finished_at timestamptz, due_at timestamptz,
    looked_to uuid
) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_until    constant timestamptz := clock_timestamp() + p_patience;
    v_statuses constant text[] := array(select json_array_elements_text(p_filter->'statuses'));
    v_parent   constant uuid := p_filter->>'parent';
    v_live     constant boolean := v_statuses <> '{}' and not v_statuses
                                   && array['success', 'failed', 'concurrency_controlled_final'];
    v_final    constant boolean := p_filter->>'error' is not null or v_statuses <> '{}' and v_statuses
                                   <@ array['success', 'failed', 'concurrency_controlled_final'];
    v_owned    constant boolean := v_live and v_statuses <@ array['pending', 'running', 'paused', 'resumed'];
    -- Ids carry the time of the clock of whoever made them, which may be a day off.
    v_from     constant uuid := coalesce(first_id((p_filter->>'since')::timestamptz - interval '1 day'),
                                         '00000000-0000-0000-0000-000000000000');
    v_after    constant timestamptz := p_filter->>'ended_after';
    -- What is looked at by one index costs less than what is looked up in three tables.
    v_most     constant integer := case when (v_after is not null or v_final) and p_filter->>'error' is null
                                    then 20000 else 4000 end;
    v_before   uuid := least(p_before, first_id((p_filter->>'until')::timestamptz + interval '1 day'));
    v_left     integer := p_limit;
    v_chunk    integer := 2 * p_limit;
    v_found    integer;
    v_seen     uuid[];
    v_fit      uuid[];
begin
    v_before := coalesce(v_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    loop
        if v_parent is not null then
            -- By themselves, or they would be looked for among all, newest first, where statistics say so.
            v_seen := array(
                select i.invocation_id from (select c.* from invocation c where c.parent_id = v_parent offset 0) i
                where i.invocation_id < v_before order by i.invocation_id desc limit v_chunk);
        elsif v_owned then
            v_seen := array(
                select s.invocation_id from runner r cross join lateral (
                    select c.invocation_id from invocation_state c
                    where c.runner_id = r.runner_id and c.runner_id is not null offset 0) s
                where r.app_id = p_app and s.invocation_id < v_before
                  and (p_filter->>'runner' is null or r.runner_id = p_filter->>'runner')
                order by s.invocation_id desc limit v_chunk);
        elsif v_live then
            v_seen := array(select s.invocation_id from invocation_state s where s.invocation_id < v_before
                            and s.invocation_id >= v_from order by s.invocation_id desc limit v_chunk);
        elsif v_final then
            select array_agg(x.id), coalesce(array_agg(x.id) filter (where x.fits), '{}') into v_seen, v_fit from (
                select o.invocation_id as id, (v_statuses = '{}' or o.status::text = any (v_statuses))
                       and (v_after is null or o.finished_at >= v_after)
                       and (p_filter->>'error' is null
                            or o.status = 'failed' and strpos(lower(o.value::text), p_filter->>'error') > 0) as fits
                from invocation_outcome o where o.invocation_id < v_before and o.invocation_id >= v_from
                order by o.invocation_id desc limit v_chunk) x;
        elsif v_after is not null then
            select array_agg(x.id), coalesce(array_agg(x.id) filter (where x.fits), '{}') into v_seen, v_fit from (
                (select s.invocation_id as id, true as fits
                 from invocation_state s where s.invocation_id < v_before and s.invocation_id >= v_from
                 order by s.invocation_id desc limit v_chunk)
                union all
                (select o.invocation_id, o.finished_at >= v_after
                 from invocation_outcome o where o.invocation_id < v_before and o.invocation_id >= v_from
                 order by o.invocation_id desc limit v_chunk)
                order by id desc limit v_chunk) x;
        else
            v_seen := array(select i.invocation_id from invocation i where i.invocation_id < v_before
                            and i.invocation_id >= v_from order by i.invocation_id desc limit v_chunk);
        end if;
        return query
        select f.*, null::uuid
        from fitting(p_app, p_filter, v_statuses, coalesce(v_fit, v_seen), v_left) f;
        get diagnostics v_found = row_count;
        v_left := v_left - v_found;
        exit when v_left <= 0 or coalesce(cardinality(v_seen), 0) < v_chunk;
        v_before := v_seen[v_chunk];
        if clock_timestamp() > v_until then
            looked_to := v_before;
            return next;
            exit;
        end if;
        v_chunk := least(2 * v_chunk, v_most);
    end loop;
end $$;
