-- Whether anything has become of an invocation made in a span of time since a moment. By the history, whose
-- newest days have next to nothing of a week long past. Internal to drop_old_partitions.
create or replace function {schema}.ended_since(p_from timestamptz, p_until timestamptz, p_since timestamptz)
returns boolean language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    v_first constant uuid := first_id(p_from);
    v_next  constant uuid := first_id(p_until);
begin
    return exists (select from invocation_history h
                   where h.at > p_since and h.invocation_id >= v_first and h.invocation_id < v_next);
end $$;
