"""Names of routers, and the countries that are meant by them."""

from __future__ import annotations

# Names of routers from public traceroutes, and the country that their operators mean (by the operators' lists
# of places, the neighbouring hops and the times).
LEARNT = """
    rwp44.pie.net.pk PK
    lhr63.pie.net.pk PK
    webconcepts.lhr63d1.pie.net.pk PK
    static-10ge-khi494-p01-khi494-swb.pie.net.pk PK
    static-10ge-khi275-p01-swa.pie.net.pk PK
    static.khi77.pie.net.pk PK
    be2555.rcr21.cph01.atlas.cogentco.com DK
    be2504.ccr42.ham01.atlas.cogentco.com DE
    be12488.ccr42.lon13.atlas.cogentco.com GB
    be2317.ccr41.jfk02.atlas.cogentco.com US
    be2889.ccr21.cle04.atlas.cogentco.com US
    be3035.ccr21.den01.atlas.cogentco.com US
    te7-2.228.ccr01.sto01.atlas.cogentco.com SE
    tiscali.fra03.atlas.cogentco.com DE
    centurylink.mad05.atlas.cogentco.com ES
    be2391.ccr42.par01.atlas.cogentco.com FR
    be2974.ccr21.muc03.atlas.cogentco.com DE
    rcr21.okc01.atlas.cogentco.com US
    as-6.r21.sngpsi02.sg.bb.gin.ntt.net SG
    ae-3.r02.asbnva02.us.bb.gin.ntt.net US
    ae-5.r20.frnkge08.de.bb.gin.ntt.net DE
    xe-4-2.r00.brslbe01.be.bb.gin.ntt.net BE
    ae-42.a03.londen12.uk.bb.gin.ntt.net GB
    ce-0-3-0.a02.nycmny17.us.ce.gin.ntt.net US
    ae-15.r25.osakjp02.jp.bb.gin.ntt.net JP
    vlan90.csw4.Washington1.Level3.net US
    ae-1-100.ebr2.NewYork2.Level3.net US
    ae-1-3502.ear2.Paris1.Level3.net FR
    lag-1.ear3.Frankfurt1.Level3.net. DE
    lo-0-v6.ear2.London1.Level3.net GB
    ae3.3.bar4.Toronto1.net.lumen.tech CA
    prs-bb1-link.ip.twelve99.net FR
    ffm-bb2-link.ip.twelve99.net DE
    ash-bb2-link.ip.twelve99.net US
    sng-b6-link.ip.twelve99.net SG
    sjo-b21-link.ip.twelve99.net US
    las-b24-link.ip.twelve99.net US
    nyk-bb2-link.ip.twelve99.net US
    bcn-b1-link.ip.twelve99.net ES
    hnk-b2-link.telia.net HK
    ash-b1-link.telia.net US
    adm-bb1-link.ip.twelve99.net NL
    ix-ae-18-0.tcore1.fr0-frankfurt.as6453.net DE
    if-ae-6-2.tcore1.av2-amsterdam.as6453.net NL
    ix-ae-6-0.tcore1.n75-new-york.as6453.net US
    ix-bundle-21.qcore1.h81-hongkong.as6453.net HK
    ix-ae-4-2.tcore2.cxr-chennai.as6453.net IN
    if-ae-44-3.tcore1.tv2-tokyo.as6453.net JP
    if-8-1-2-4.tcore2.CT8-Chicago.as6453.net US
    ae28.cs1.sea1.us.eth.zayo.com US
    ae1.mcs1.fra9.de.eth.zayo.com DE
    ae1.cr1.ams17.nl.zip.zayo.com NL
    ae10.cr1.man7.uk.eth.zayo.com GB
    ae26.cs1.den5.us.eth.zayo.com US
    ae27.cs1.cdg12.fr.eth.zayo.com FR
    100ge7-2.core1.fra1.he.net DE
    100ge13-1.core1.nyc4.he.net US
    v1005.core1.sin1.he.net SG
    100ge6-1.core1.mil2.he.net IT
    100ge4-1.core1.par2.he.net FR
    port-channel1.core2.ash1.he.net US
    pos0-2-5-0.palermo17.pal.seabone.net IT
    ae21.milano51.mil.seabone.net IT
    et9-1-0.ashburn2.ash.seabone.net US
    ae13.baires3.bai.seabone.net AR
    ae7.sanpaolo8.spa.seabone.net BR
    ae27-0.ier01.cph30.ntwk.msn.net DK
    be1.owr02.bos33.ntwk.msn.net US
    lhr25s34-in-f14.1e100.net GB
    core22.fsn1.hetzner.com DE
    core11.hel1.hetzner.com FI
    ae1.mx1.lon2.uk.geant.net GB
    de-fra03b-ri1-ae5-0.aorta.net DE
    bas1.paris.sfr.net FR
    ae42-0.nipoi201.lyon.francetelecom.net FR
    pos-2-2-0-0-cr01.seattle.wa.ibone.comcast.net US
    tcore3-edmonton_be1.net.bell.ca CA
    bx6-seattle_et-0-0-13_ae1.net.bell.ca US
    115.114.89.213.static-Mumbai.vsnl.net.in IN
    Bundle-Ether31.bdr02-ipt-47bourke-syd.au.superloop.com AU
    po4002.asw02.fra2.tfbnw.net DE
    ae610.0.edge1.cwb1.as7195.net BR
    xe-1.dkcph1.example.net DK
    core1.ams.net.google.com NL
    lax1-fatpipe-1.it7.net US
    xe-4-3-0.fra23.ip4.tinet.net DE
    xe-7-2-0.nyc20.ip4.tinet.net US
    0.ae1.pr0.nyc20.tbone.rr.com US
    core1.te5-2-bbnet2.wdc002.pnap.net US
    ae0.mx1.mil2.it.geant.net IT
    ae1-9.rt.tc2.par.fr.retn.net FR
    de-ffm.nordu.net DE
    kr-ham144-0.x-win.dfn.de DE
    spb-sel-cr2.ae61-2159.rascom.as20764.net RU
    lb-140-82-121-4-fra.github.com DE
    de-cix-ae10.mcs1.fra6.de.zip.zayo.com DE
"""
# The same, collected when the rules stood: 14 of 37 were read, none wrongly. The convention of GTT, and that
# a code needs a number (see HUBS), came after.
HELD_OUT = """
    r1-fra3-de.as5405.net DE
    waw02s06-in-f67.1e100.net PL
    CENTURYLINK.edge6.Dallas3.Level3.net US
    JAPAN-REGIS.ear2.SanJose1.Level3.net US
    ae3.6.bar1.Portland1.net.lumen.tech US
    172-11-154-1.lightspeed.tpkaks.sbcglobal.net US
    ae14.cr3-mtl1.ip4.gtt.net CA
    ae30.cr3-was1.ip4.gtt.net US
    ae0.cr3-phx1.ip4.gtt.net US
    ae1-1.rt.irx.vie.at.retn.net AT
    ae11-61.cr3-vie2.ip4.gtt.net AT
    ae33.cr1-fra6.ip4.gtt.net DE
    xe-0-0-3.was14.ip4.gtt.net US
    xe-5-0-0.tyo10.ip4.gtt.net JP
    xe-2-0-0.hkg11.ip4.gtt.net HK
    xe-1-0-6.cr2-sjc1.ip4.gtt.net US
    as15169.sjc10.ip4.gtt.net US
    ae-12.cr2.sgn.as9009.net VN
    ae24.cr4-nyc6.ip4.gtt.net US
    ae2.r02.lga01.icn.netarch.akamai.com US
    ae13.r01.ewr01.icn.netarch.akamai.com US
    ae19.r01.ord01.icn.netarch.akamai.com US
    ae16.r01.sjc01.icn.netarch.akamai.com US
    ae1.r11.sjc01.ien.netarch.akamai.com US
    xe-7-3-0.cr0-trn3.ip4.gtt.net IT
    m-eb7-i.M.DE.NET.DTAG.DE DE
    lag-14.ear2.SanJose1.Level3.net US
    ae-237-3613.edge6.Amsterdam1.Level3.net NL
    ae1-1414.cr5-sea2.ip4.gtt.net US
    ae27.cr6-chi1.ip4.gtt.net US
    lsan0.tr-cps.internet2.edu US
    fourhundredge-0-0-0-0.4079.core1.losa.net.internet2.edu US
    ae103.ppr04.dal13.networklayer.com US
    bu-ether29.nwrknjmd67w-bcr00.tbone.rr.com US
    rc3so-be129-1.cg.shawcable.net CA
    ae4.nvsk-ar1.sib.ip.rostelecom.ru RU
    ae-67.core1.nyd.edgecastcdn.net US
"""
# Names that tell no place, or two, or something that is a place and a word.
NOTHING = """
    router.lan
    static-82-103-1-2.customer.example.dk
    81.27.252.175.rascom.as20764.net
    178.18.225.111.ix.dataix.eu
    border1.example.net
    po1.agg2.example.com
    tw118-static11.tw1.com
    symantec4.comsats.net.pk
    host181-209-dsl.dols.net.pk
    unused-space.coop.net
    vmi2220312.contaboserver.net
    122.2.187.146.static.pldt.net
    gw2.sknt.ru
    telefonica-ic-373007.ip.twelve99-cust.net
    verio.example.net
    dsl-tn-dynamic-165.210.22.125.airtelbroadband.in
    host192.181-89-3.telecom.net.ar
    225.red-81-41-226.staticip.rima-tde.net
    ams1.company.pk
    ams.gov.pk
    paris.company.com.pk
    lhr1.company.net.pk
    cr1.lhr.operator.net.pk
    hyd01.cr1.operator.com.pk
    cdn.vps.lan.isp.example.net
    net1.com2.cdn3.vps4.lan5.isp6.per7.example.net
    den1.mad2.per3.example.net
    mobile.orange.phoenix.example.org
    cr1.cor1.acc2.gig3.agg4.example.net
    ccr41.bdr1.bng2.ptx3.example.net
    fra1-lon1.link.example.net
    karachi-dubai.link.example.net
    fra1.nl.example.net
    gw.hyderabad.example.net
    birmingham.core.example.net
    ae1.de.example.net
    lahore.com.pk
    khi.net
    30.86.209.35.bc.googleusercontent.com
    it-farm-gw2.ip4.gtt.net
    google-gw.ip4.gtt.net
    wharf-gw.ip4.gtt.net
    cloudflare-ic.ip4.gtt.net
    d28-23-1-194.dim.wideopenwest.com
    dynamic-76-73-172-181.knology.net
    user-24-236-73-13.knology.net
    agg-m.gw1.sknt.ru
    iesco.comsatshosting.com
    public-route-server.is.co.za
    rviews.bb.net.kanren.net
    openserve-south-route-viewer.osnet.co.za
"""


def pairs(table: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in table.strip().splitlines()]
