/* A list of cities on the map; choosing one zooms to it, the first is shown at the start.
   places: name (safe HTML, see geonb.showing.safe_text) and bounds of each city. */
function chooseCity(map, places) {
    let chosen = 0, touched = false;
    function show(number) {
        chosen = number;
        const legend = document.querySelector(".geonb-legend"), wide = map.getSize().x > 600;
        const right = wide && legend ? legend.offsetWidth + 24 : 24;
        map.fitBounds(places[number].bounds, {
            paddingTopLeft: [24, 24], paddingBottomRight: [right, 24], maxZoom: 17, animate: false});
    }
    L.control.scale({imperial: false}).addTo(map);
    function begin() {  // an iframe gets its final size late, and a phone is turned
        const legend = document.querySelector(".geonb-legend");
        if (legend) legend.open = map.getSize().x >= 520;
        show(chosen);
    }
    begin();
    document.addEventListener("pointerdown", function () { touched = true; }, {capture: true});
    map.on("resize", function (event) { if (!touched || !event.oldSize.x) begin(); });
    // a frame's first layout is no resize of its window: without this the map may stay blank
    new ResizeObserver(function () { map.invalidateSize(); }).observe(map.getContainer());
    if (places.length < 2) return;
    const control = L.control({position: "topleft"});
    control.onAdd = function () {
        const list = L.DomUtil.create("select", "geonb-cities");
        list.setAttribute("aria-label", "city shown");
        places.forEach(function (place, number) {
            const option = new Option("", number);
            option.innerHTML = place.name;
            list.add(option);
        });
        list.onchange = function () { show(Number(list.value)); };
        L.DomEvent.disableClickPropagation(list);
        return list;
    };
    control.addTo(map);
}
