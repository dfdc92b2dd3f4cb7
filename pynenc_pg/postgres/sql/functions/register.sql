-- As register_2, which has replaced it, without its last parameter: here for clients of the release
-- before. Moves: (new) -> registered. Raises: as register_2, but for PN013.
create or replace function {schema}.register(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[]
) returns uuid[] language plpgsql {definer} as $$
begin
    return register_2(p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots,
                      p_must_not_wait, p_parent, p_depth, p_options, p_changed_by,
                      p_own_connection, p_ids, p_call_ids, p_arguments, p_registration_keys,
                      p_lane_keys, false);
end $$;
