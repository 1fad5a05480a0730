/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The packet fields that a model of the traffic filter may ask for, one line each; shared by the
 * BPF program, its user-space twin and the compiler, so nothing but the preprocessor stands here.
 *
 * X(identifier, name, unit, scope, max, what): every field is an unsigned 32-bit integer from 0 to
 * max. TTL and addresses are left out on purpose: they tell one network from another, not good from
 * bad. The packet at hand counts: no window or flow is ever empty.
 *
 * Scopes: PACKET is the headers alone. SOURCE is what its source address sent, DESTINATION what was
 * sent to its destination address, over a sliding window of 2^30 ns (1.07 s): what was counted in
 * the present one, and of the one before as much as still lies within reach. Names with _slow have
 * windows of 2^34 ns (17 s). FLOW is all packets with these two addresses, ports and this protocol,
 * forgotten after 2^36 ns (69 s) of silence; _back is the way against this packet's: 0 where the
 * filter sits where it sees one way alone, such as on a host's own interface.
 *
 * Units: "log2" is 16 * log2(1 + x), cut, in straight lines between powers of two: heavy tails in 9
 * bits; "1/255" is a share, 255 for all; "1024 ns" saves a division by 1000; "bits of 64" is
 * how many of 64 are set when each value sets one by its hash: n while few, 64 from some 300 on.
 *
 * A changed line changes the hash at the end, which a test checks; whoever changes the meaning of a
 * line and not its words raises the version. Models made for another table are refused.
 */
#define PACKET_FIELDS_VERSION 1
#define PACKET_FIELDS_HASH 0x3240344704718510ULL

#define PACKET_FIELDS_OF_PACKET(X)                                                                 \
        X(IP_LENGTH, "ip_length", "B", PACKET, 65575, "IP header, extensions and all behind them") \
        X(IP_HEADER_LENGTH, "ip_header_length", "B", PACKET, 65535,                                \
          "IPv4 header with options, or IPv6 header with extensions")                              \
        X(TRANSPORT_HEADER_LENGTH, "transport_header_length", "B", PACKET, 60,                     \
          "TCP with options, UDP or ICMP (8); 0 for other protocols and later fragments")          \
        X(PAYLOAD_LENGTH, "payload_length", "B", PACKET, 65535, "what is behind these headers")    \
        X(PAYLOAD_LENGTH_LOG2, "payload_length_log2", "log2", PACKET, 256, "payload_length")       \
        X(IS_IPV6, "is_ipv6", "0/1", PACKET, 1, "IP version 6")                                    \
        X(PROTOCOL, "protocol", "number", PACKET, 255, "IP protocol, behind IPv6 extensions")      \
        X(IS_TCP, "is_tcp", "0/1", PACKET, 1, "protocol is 6")                                     \
        X(IS_UDP, "is_udp", "0/1", PACKET, 1, "protocol is 17")                                    \
        X(IS_ICMP, "is_icmp", "0/1", PACKET, 1, "ICMP or ICMPv6")                                  \
        X(DONT_FRAGMENT, "dont_fragment", "0/1", PACKET, 1, "IPv4 flag; 0 for IPv6")               \
        X(FRAGMENT, "fragment", "0/1", PACKET, 1, "part of a packet: first, middle or last")       \
        X(SOURCE_PORT, "source_port", "number", PACKET, 65535,                                     \
          "TCP and UDP; 0 for others and for later fragments")                                     \
        X(DESTINATION_PORT, "destination_port", "number", PACKET, 65535, "as source_port")         \
        X(LOW_PORT, "low_port", "number", PACKET, 65535,                                           \
          "the smaller of the two ports: most often the service, whichever way")                   \
        X(HIGH_PORT, "high_port", "number", PACKET, 65535, "the larger of the two ports")          \
        X(SOURCE_PORT_LOG2, "source_port_log2", "log2", PACKET, 256, "source_port")                \
        X(DESTINATION_PORT_LOG2, "destination_port_log2", "log2", PACKET, 256, "destination_port") \
        X(LOW_PORT_LOG2, "low_port_log2", "log2", PACKET, 256, "low_port")                         \
        X(TCP_FLAGS, "tcp_flags", "bits", PACKET, 255,                                             \
          "byte of the TCP header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128")   \
        X(TCP_FIN, "tcp_fin", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_SYN, "tcp_syn", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_RST, "tcp_rst", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_PSH, "tcp_psh", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_ACK, "tcp_ack", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_URG, "tcp_urg", "0/1", PACKET, 1, "of tcp_flags")                                    \
        X(TCP_WINDOW, "tcp_window", "number", PACKET, 65535, "as sent, without scaling")           \
        X(TCP_WINDOW_LOG2, "tcp_window_log2", "log2", PACKET, 256, "tcp_window")                   \
        X(ICMP_TYPE, "icmp_type", "number", PACKET, 255, "ICMP and ICMPv6; 0 for others")          \
        X(ICMP_CODE, "icmp_code", "number", PACKET, 255, "ICMP and ICMPv6; 0 for others")

#define PACKET_FIELDS_OF_SOURCE(X)                                                                \
        X(SOURCE_PACKETS, "source_packets", "packets", SOURCE, UINT32_MAX, "sent by it")          \
        X(SOURCE_PACKETS_LOG2, "source_packets_log2", "log2", SOURCE, 511, "source_packets")      \
        X(SOURCE_BYTES, "source_bytes", "B", SOURCE, UINT32_MAX, "sum of ip_length")              \
        X(SOURCE_BYTES_LOG2, "source_bytes_log2", "log2", SOURCE, 511, "source_bytes")            \
        X(SOURCE_PAYLOAD_MEAN, "source_payload_mean", "B", SOURCE, 65535, "payload per packet")   \
        X(SOURCE_SYNS, "source_syns", "packets", SOURCE, UINT32_MAX, "TCP with SYN, without ACK") \
        X(SOURCE_SYNS_LOG2, "source_syns_log2", "log2", SOURCE, 511, "source_syns")               \
        X(SOURCE_SYN_ACKS, "source_syn_acks", "packets", SOURCE, UINT32_MAX, "TCP with both")     \
        X(SOURCE_RESETS, "source_resets", "packets", SOURCE, UINT32_MAX, "TCP with RST")          \
        X(SOURCE_FINS, "source_fins", "packets", SOURCE, UINT32_MAX, "TCP with FIN")              \
        X(SOURCE_UDP, "source_udp", "packets", SOURCE, UINT32_MAX, "UDP")                         \
        X(SOURCE_ICMP, "source_icmp", "packets", SOURCE, UINT32_MAX, "ICMP and ICMPv6")           \
        X(SOURCE_SYN_SHARE, "source_syn_share", "1/255", SOURCE, 255, "source_syns per packet")   \
        X(SOURCE_RESET_SHARE, "source_reset_share", "1/255", SOURCE, 255,                         \
          "source_resets per packet")                                                             \
        X(SOURCE_EMPTY_SHARE, "source_empty_share", "1/255", SOURCE, 255,                         \
          "packets without payload per packet")                                                   \
        X(SOURCE_PORTS, "source_ports", "bits of 64", SOURCE, 64,                                 \
          "different destination ports that it sent to")                                          \
        X(SOURCE_PEERS, "source_peers", "bits of 64", SOURCE, 64,                                 \
          "different addresses that it sent to")                                                  \
        X(SOURCE_OWN_PORTS, "source_own_ports", "bits of 64", SOURCE, 64,                         \
          "different source ports that it sent from")                                             \
        X(SOURCE_GAP, "source_gap", "1024 ns", SOURCE, UINT32_MAX,                                \
          "since its packet before; the largest where there was none")                            \
        X(SOURCE_GAP_LOG2, "source_gap_log2", "log2", SOURCE, 511, "source_gap")                  \
        X(SOURCE_GAP_MEAN, "source_gap_mean", "1024 ns", SOURCE, UINT32_MAX,                      \
          "source_gap, an eighth of each new one")                                                \
        X(SOURCE_GAP_MEAN_LOG2, "source_gap_mean_log2", "log2", SOURCE, 511, "source_gap_mean")   \
        X(SOURCE_PACKETS_SLOW_LOG2, "source_packets_slow_log2", "log2", SOURCE, 511,              \
          "source_packets over 17 s")                                                             \
        X(SOURCE_PAYLOAD_MEAN_SLOW, "source_payload_mean_slow", "B", SOURCE, 65535,               \
          "source_payload_mean over 17 s")                                                        \
        X(SOURCE_SYNS_SLOW_LOG2, "source_syns_slow_log2", "log2", SOURCE, 511,                    \
          "source_syns over 17 s")                                                                \
        X(SOURCE_SYN_SHARE_SLOW, "source_syn_share_slow", "1/255", SOURCE, 255,                   \
          "source_syn_share over 17 s")                                                           \
        X(SOURCE_RESET_SHARE_SLOW, "source_reset_share_slow", "1/255", SOURCE, 255,               \
          "source_reset_share over 17 s")                                                         \
        X(SOURCE_EMPTY_SHARE_SLOW, "source_empty_share_slow", "1/255", SOURCE, 255,               \
          "source_empty_share over 17 s")                                                         \
        X(SOURCE_PORTS_SLOW, "source_ports_slow", "bits of 64", SOURCE, 64,                       \
          "source_ports over 17 s")                                                               \
        X(SOURCE_PEERS_SLOW, "source_peers_slow", "bits of 64", SOURCE, 64,                       \
          "source_peers over 17 s")                                                               \
        X(SOURCE_OWN_PORTS_SLOW, "source_own_ports_slow", "bits of 64", SOURCE, 64,               \
          "source_own_ports over 17 s")                                                           \
        X(SOURCE_SPREAD, "source_spread", "bits of 64", SOURCE, 64,                               \
          "source_ports or source_peers, whichever is more: a scan, up or across")                \
        X(SOURCE_SPREAD_SLOW, "source_spread_slow", "bits of 64", SOURCE, 64,                     \
          "source_spread over 17 s")

#define PACKET_FIELDS_OF_DESTINATION(X)                                                        \
        X(DESTINATION_PACKETS, "destination_packets", "packets", DESTINATION, UINT32_MAX,      \
          "sent to it")                                                                        \
        X(DESTINATION_PACKETS_LOG2, "destination_packets_log2", "log2", DESTINATION, 511,      \
          "destination_packets")                                                               \
        X(DESTINATION_BYTES_LOG2, "destination_bytes_log2", "log2", DESTINATION, 511,          \
          "sum of ip_length")                                                                  \
        X(DESTINATION_PAYLOAD_MEAN, "destination_payload_mean", "B", DESTINATION, 65535,       \
          "payload per packet")                                                                \
        X(DESTINATION_SYNS, "destination_syns", "packets", DESTINATION, UINT32_MAX,            \
          "TCP with SYN, without ACK")                                                         \
        X(DESTINATION_SYNS_LOG2, "destination_syns_log2", "log2", DESTINATION, 511,            \
          "destination_syns")                                                                  \
        X(DESTINATION_SYN_SHARE, "destination_syn_share", "1/255", DESTINATION, 255,           \
          "destination_syns per packet")                                                       \
        X(DESTINATION_EMPTY_SHARE, "destination_empty_share", "1/255", DESTINATION, 255,       \
          "packets without payload per packet")                                                \
        X(DESTINATION_PORTS, "destination_ports", "bits of 64", DESTINATION, 64,               \
          "different ports of it that were sent to")                                           \
        X(DESTINATION_PEERS, "destination_peers", "bits of 64", DESTINATION, 64,               \
          "different addresses that sent to it")                                               \
        X(DESTINATION_PACKETS_SLOW_LOG2, "destination_packets_slow_log2", "log2", DESTINATION, \
          511, "destination_packets over 17 s")                                                \
        X(DESTINATION_SYN_SHARE_SLOW, "destination_syn_share_slow", "1/255", DESTINATION, 255, \
          "destination_syn_share over 17 s")                                                   \
        X(DESTINATION_PORTS_SLOW, "destination_ports_slow", "bits of 64", DESTINATION, 64,     \
          "destination_ports over 17 s")                                                       \
        X(DESTINATION_PEERS_SLOW, "destination_peers_slow", "bits of 64", DESTINATION, 64,     \
          "destination_peers over 17 s")

#define PACKET_FIELDS_OF_FLOW(X)                                                                  \
        X(FLOW_PACKETS, "flow_packets", "packets", FLOW, UINT32_MAX, "this packet's way")         \
        X(FLOW_PACKETS_LOG2, "flow_packets_log2", "log2", FLOW, 511, "flow_packets")              \
        X(FLOW_BYTES, "flow_bytes", "B", FLOW, UINT32_MAX, "sum of ip_length, this way")          \
        X(FLOW_BYTES_LOG2, "flow_bytes_log2", "log2", FLOW, 511, "flow_bytes")                    \
        X(FLOW_PAYLOAD_MEAN, "flow_payload_mean", "B", FLOW, 65535,                               \
          "payload per packet, this way")                                                         \
        X(FLOW_DURATION, "flow_duration", "1024 ns", FLOW, UINT32_MAX,                            \
          "since the flow's first packet of either way")                                          \
        X(FLOW_DURATION_LOG2, "flow_duration_log2", "log2", FLOW, 511, "flow_duration")           \
        X(FLOW_GAP, "flow_gap", "1024 ns", FLOW, UINT32_MAX,                                      \
          "since the flow's packet before, either way; the largest where there was none")         \
        X(FLOW_GAP_LOG2, "flow_gap_log2", "log2", FLOW, 511, "flow_gap")                          \
        X(FLOW_GAP_MEAN, "flow_gap_mean", "1024 ns", FLOW, UINT32_MAX,                            \
          "flow_gap, an eighth of each new one")                                                  \
        X(FLOW_GAP_MEAN_LOG2, "flow_gap_mean_log2", "log2", FLOW, 511, "flow_gap_mean")           \
        X(FLOW_FLAGS, "flow_flags", "bits", FLOW, 255, "all tcp_flags seen so far, this way")     \
        X(FLOW_SYNS, "flow_syns", "packets", FLOW, UINT32_MAX, "TCP with SYN, this way")          \
        X(FLOW_IS_REPLY, "flow_is_reply", "0/1", FLOW, 1, "the other side sent the first packet") \
        X(FLOW_PACKETS_BACK, "flow_packets_back", "packets", FLOW, UINT32_MAX, "the other way")   \
        X(FLOW_PACKETS_BACK_LOG2, "flow_packets_back_log2", "log2", FLOW, 511,                    \
          "flow_packets_back")                                                                    \
        X(FLOW_BYTES_BACK_LOG2, "flow_bytes_back_log2", "log2", FLOW, 511,                        \
          "sum of ip_length, the other way")                                                      \
        X(FLOW_FLAGS_BACK, "flow_flags_back", "bits", FLOW, 255,                                  \
          "all tcp_flags seen so far, the other way")

#define PACKET_FIELDS(X)                \
        PACKET_FIELDS_OF_PACKET(X)      \
        PACKET_FIELDS_OF_SOURCE(X)      \
        PACKET_FIELDS_OF_DESTINATION(X) \
        PACKET_FIELDS_OF_FLOW(X)

enum packet_scope {
        PACKET_SCOPE_PACKET,
        PACKET_SCOPE_SOURCE,
        PACKET_SCOPE_DESTINATION,
        PACKET_SCOPE_FLOW,
        PACKET_SCOPE_COUNT
};

enum packet_field {
#define X(id, name, unit, scope, max, what) PACKET_FIELD_##id,
        PACKET_FIELDS(X)
#undef X
                PACKET_FIELD_COUNT
};
