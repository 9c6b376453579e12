"""The OSC edge: datagrams and TCP frames in, commands of `session` out; events of `session` in, messages to clients out.

What is where:

    rows, table         what an address takes and says; all addresses
    markdown            the table for people
    codec, words        bytes <-> messages; values in words
    arguments, parse    messages -> commands
    encode              events -> messages
    clients, limit      who hears of what, and how many errors they are told
    listen, inbox, udp, framing, tcp
                        sockets, and fair reading from many senders
    schedule, reach     bundles that wait for their time; where answers may go
    server, client      the daemon's end and the other one
"""
