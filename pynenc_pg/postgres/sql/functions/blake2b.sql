-- The BLAKE2b digest of 16 bytes (RFC 7693), in hexadecimal digits: concurrency keys are made of it, also
-- by clients of the release before. Internal to call_digest.
-- PostgreSQL adds bigints only if their sum is one, so sums are made of halves of 32 bits.
create or replace function {schema}.blake2b(p_data bytea) returns text
language plpgsql immutable strict as $$
declare
    v_low   constant bigint := 4294967295;
    v_start constant bigint[] := '{7640891576956012808,-4942790177534073029,4354685564936845355,
        -6534734903238641935,5840696475078001361,-7276294671716946913,2270897969802886507,
        6620516959819538809}';
    v_sigma constant integer[] := '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16, 15,11,5,9,10,16,14,7,2,13,1,3,12,8,6,4,
        12,9,13,1,6,3,16,14,11,15,4,7,8,2,10,5, 8,10,4,2,14,13,12,15,3,7,6,11,5,1,16,9,
        10,1,6,8,3,5,11,16,15,2,12,13,7,9,4,14, 3,13,7,11,1,12,9,4,5,14,8,6,16,15,2,10,
        13,6,2,16,15,14,5,11,1,8,7,4,10,3,9,12, 14,12,8,15,13,2,4,10,6,1,16,5,9,7,3,11,
        7,16,15,10,12,4,1,9,13,3,14,8,2,5,11,6, 11,3,9,5,8,7,2,6,16,12,10,15,4,13,14,1,
        1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16, 15,11,5,9,10,16,14,7,2,13,1,3,12,8,6,4}';
    v_rows  constant integer[] := '{1,2,3,4,1,2,3,4, 5,6,7,8,6,7,8,5, 9,10,11,12,11,12,9,10, 13,14,15,16,16,13,14,15}';
    v_size  constant integer := length(p_data);
    v_blocks constant integer := greatest(1, (v_size + 127) / 128);
    v_bytes constant bytea := p_data || decode(repeat('00', v_blocks * 128 - v_size), 'hex');
    v_hash  bigint[] := v_start;
    v_work  bigint[];
    v_words bigint[];
    v_at    integer;
    a bigint; b bigint; c bigint; d bigint; m bigint; n bigint; l bigint;
begin
    v_hash[1] := v_hash[1] # 16842768;  -- 16 bytes, no key
    for v_block in 1 .. v_blocks loop
        for i in 0 .. 15 loop
            v_at := (v_block - 1) * 128 + i * 8;
            v_words[i + 1] := get_byte(v_bytes, v_at)::bigint | (get_byte(v_bytes, v_at + 1)::bigint << 8)
                | (get_byte(v_bytes, v_at + 2)::bigint << 16) | (get_byte(v_bytes, v_at + 3)::bigint << 24)
                | (get_byte(v_bytes, v_at + 4)::bigint << 32) | (get_byte(v_bytes, v_at + 5)::bigint << 40)
                | (get_byte(v_bytes, v_at + 6)::bigint << 48) | (get_byte(v_bytes, v_at + 7)::bigint << 56);
        end loop;
        v_work := v_hash || v_start;
        v_work[13] := v_work[13] # least(v_block * 128, v_size);
        if v_block = v_blocks then
            v_work[15] := ~ v_work[15];
        end if;
        for v_round in 0 .. 11 loop
            for g in 1 .. 8 loop
                a := v_work[v_rows[g]];
                b := v_work[v_rows[g + 8]];
                c := v_work[v_rows[g + 16]];
                d := v_work[v_rows[g + 24]];
                m := v_words[v_sigma[v_round * 16 + g * 2 - 1]];
                n := v_words[v_sigma[v_round * 16 + g * 2]];
                l := (a & v_low) + (b & v_low) + (m & v_low);
                a := (((a >> 32) + (b >> 32) + (m >> 32) + (l >> 32)) << 32) | (l & v_low);
                d := d # a;
                d := (d << 32) | ((d >> 32) & v_low);
                l := (c & v_low) + (d & v_low);
                c := (((c >> 32) + (d >> 32) + (l >> 32)) << 32) | (l & v_low);
                b := b # c;
                b := (b << 40) | ((b >> 24) & 1099511627775);
                l := (a & v_low) + (b & v_low) + (n & v_low);
                a := (((a >> 32) + (b >> 32) + (n >> 32) + (l >> 32)) << 32) | (l & v_low);
                d := d # a;
                d := (d << 48) | ((d >> 16) & 281474976710655);
                l := (c & v_low) + (d & v_low);
                c := (((c >> 32) + (d >> 32) + (l >> 32)) << 32) | (l & v_low);
                b := b # c;
                b := (b << 1) | ((b >> 63) & 1);
                v_work[v_rows[g]] := a;
                v_work[v_rows[g + 8]] := b;
                v_work[v_rows[g + 16]] := c;
                v_work[v_rows[g + 24]] := d;
            end loop;
        end loop;
        for i in 1 .. 8 loop
            v_hash[i] := v_hash[i] # v_work[i] # v_work[i + 8];
        end loop;
    end loop;
    return (select string_agg(lpad(to_hex((v_hash[w] >> s) & 255), 2, '0'), '' order by w, s)
            from generate_series(1, 2) w, generate_series(0, 56, 8) s);
end $$;
