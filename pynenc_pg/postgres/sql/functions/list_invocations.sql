-- The latest invocations of an app that fit a filter, newest first, older than p_before: for people. It looks
-- at some thousand at a time by an index, and stops when it has p_limit of them, or after p_patience; then a
-- last row, with looked_to alone, says from where to go on.
-- p_filter: task, queue, statuses, since and until (of the call), arguments (an object: as ->> gives them), runner,
-- parent, workflow, error (a part of its text, in lower case), containing (any of these texts in the arguments, in
-- lower case), ended_after (or not ended).
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
    v_asked    constant text[] := array(select json_array_elements_text(p_filter->'statuses'));
    -- What has an error has failed.
    v_statuses constant text[] := case when v_asked = '{}' and p_filter->>'error' is not null
                                       then '{failed}' else v_asked end;
    v_parent   constant uuid := p_filter->>'parent';
    v_final    constant boolean := v_statuses <> '{}'
                                   and v_statuses <@ array['success', 'failed', 'concurrency_controlled_final'];
    v_owned    constant boolean := v_statuses <> '{}'
                                   and v_statuses <@ array['pending', 'running', 'paused', 'resumed'];
    v_live     constant boolean := v_statuses <> '{}' and not v_owned and not v_statuses
                                   && array['success', 'failed', 'concurrency_controlled_final'];
    -- Ids carry the time of the clock of whoever made them, which may be a day off.
    v_from     constant uuid := coalesce(first_id((p_filter->>'since')::timestamptz - interval '1 day'),
                                         '00000000-0000-0000-0000-000000000000');
    v_before   uuid := least(p_before, first_id((p_filter->>'until')::timestamptz + interval '1 day'));
    v_left     integer := p_limit;
    v_chunk    integer := 2 * p_limit;
    v_found    integer;
    v_seen     uuid[];
    v_last     uuid;
    v_count    integer;
begin
    v_before := coalesce(v_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    loop
        -- Of what is looked at, that which has the status; the rest of the filter comes after.
        select array_agg(x.id order by x.id desc) filter (where x.status is null or x.status = any (v_statuses)),
               (array_agg(x.id order by x.id))[1], count(*)
        into v_seen, v_last, v_count from (
            -- By itself, or it would be looked for among all, newest first, where statistics say so.
            (select i.invocation_id as id, null as status
             from (select * from invocation c where c.parent_id = v_parent offset 0) i
             where v_parent is not null and i.invocation_id < v_before
             order by i.invocation_id desc limit v_chunk)
            union all
            (select s.invocation_id, s.status::text
             from runner r cross join lateral (
                 select * from invocation_state c
                 where c.runner_id = r.runner_id and c.runner_id is not null offset 0) s
             where v_parent is null and v_owned and r.app_id = p_app and s.invocation_id < v_before
               and (p_filter->>'runner' is null or r.runner_id = p_filter->>'runner')
             order by s.invocation_id desc limit v_chunk)
            union all
            (select s.invocation_id, s.status::text from invocation_state s
             where v_parent is null and v_live and s.invocation_id < v_before and s.invocation_id >= v_from
             order by s.invocation_id desc limit v_chunk)
            union all
            (select o.invocation_id, o.status::text from invocation_outcome o
             where v_parent is null and v_final and o.invocation_id < v_before and o.invocation_id >= v_from
             order by o.invocation_id desc limit v_chunk)
            union all
            (select i.invocation_id, null from invocation i
             where v_parent is null and not (v_owned or v_live or v_final)
               and i.invocation_id < v_before and i.invocation_id >= v_from
             order by i.invocation_id desc limit v_chunk)) x;
        v_seen := coalesce(v_seen, '{}');
        return query select f.*, null::uuid from fitting(p_app, p_filter, v_statuses, v_seen, v_left) f;
        get diagnostics v_found = row_count;
        v_left := v_left - v_found;
        exit when v_left <= 0 or v_count < v_chunk;
        v_before := v_last;
        if clock_timestamp() > v_until then
            looked_to := v_before;
            return next;
            exit;
        end if;
        v_chunk := least(2 * v_chunk, 4000);
    end loop;
end $$;
